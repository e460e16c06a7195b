from pathlib import Path

import pytest

from repsense.errors import RepSenseError
from repsense.secret_files import secrets_directory


@pytest.mark.parametrize("value", [None, ""])
def test_no_folder_is_none(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRETS_DIR", raising=False)
    if value is not None:
        monkeypatch.setenv("SECRETS_DIR", value)
    assert secrets_directory() is None


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    assert secrets_directory() == tmp_path
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(RepSenseError, match=r"there is no folder .*nowhere: create it"):
        secrets_directory()
