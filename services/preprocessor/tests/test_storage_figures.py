from dataclasses import dataclass
from typing import Any, cast

from prometheus_client import CollectorRegistry, generate_latest

from repsense.database import Documents
from repsense_preprocessor.storage_figures import StorageFigures


@dataclass
class _Database:
    n_commands: int = 0

    def __getitem__(self, collection: str) -> "_Database":
        assert collection
        return self

    def find_one(self, key: dict[str, str]) -> None:
        assert key

    def command(self, *_: str) -> dict[str, Any]:
        self.n_commands += 1
        return {"count": 7, "size": 700}


def test_what_is_stored_is_read_only_when_somebody_asks_for_metrics() -> None:
    database, registry = _Database(), CollectorRegistry(auto_describe=True)
    figures = StorageFigures(cast("Documents", database))
    registry.register(figures)
    figures.refresh_if_asked()
    assert database.n_commands == 0

    assert b"repsense_database_documents{" not in generate_latest(registry)
    figures.refresh_if_asked()
    assert database.n_commands
    assert b'repsense_database_documents{collection="samples"} 7.0' in generate_latest(registry)
