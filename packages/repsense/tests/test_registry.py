import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from support.models import mean_manifest, write_mean_version
from support.servers import ROOT

from repsense.errors import ManifestError, RegistryError
from repsense.manifest import latest_version, load_manifest, manifest_path, onnx_path
from repsense.registry import ModelRegistry

State = list[tuple[int, str]]


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def mean(version: int) -> Callable[[Path], None]:
    """Writes a version of the mean model."""
    return lambda directory: write_mean_version(directory, mean_manifest(version=version))


def filled(registry: ModelRegistry, promoted: Sequence[int], standby: Sequence[int] = ()) -> None:
    for version in (*promoted, *standby):
        registry.add("mean", version, mean(version))
    for version in promoted:
        registry.promote("mean", version)


def states(registry: ModelRegistry) -> State:
    return [(one.version, one.state) for one in registry.versions("mean")]


def in_use(registry: ModelRegistry) -> int | None:
    found = registry.in_use("mean")
    return None if found is None else found.version


def test_what_is_added_waits_on_standby_where_no_server_looks(registry: ModelRegistry, tmp_path: Path) -> None:
    path = registry.add("mean", 1, mean(1))

    assert path == tmp_path / "models" / "mean" / "standby" / "1"
    (version,) = registry.versions("mean")
    assert (version.version, version.state, version.path, version.problem) == (1, "standby", path, None)
    assert version.manifest == load_manifest(path)
    assert in_use(registry) is None
    with pytest.raises(ManifestError, match="no model in"):
        latest_version(tmp_path / "models" / "mean")


def test_the_highest_promoted_version_is_in_use_as_servers_pick_it(registry: ModelRegistry, tmp_path: Path) -> None:
    filled(registry, promoted=[1, 2], standby=[3])

    assert states(registry) == [(3, "standby"), (2, "in_use"), (1, "promoted")]
    assert latest_version(tmp_path / "models" / "mean") == tmp_path / "models" / "mean" / "2"


def test_promoting_a_lower_version_takes_the_higher_ones_out(registry: ModelRegistry) -> None:
    filled(registry, promoted=[1, 2, 4], standby=[3])

    registry.promote("mean", 1)
    assert states(registry) == [(4, "standby"), (3, "standby"), (2, "standby"), (1, "in_use")]

    registry.promote("mean", 3)
    assert states(registry) == [(4, "standby"), (3, "in_use"), (2, "standby"), (1, "promoted")]


def test_promoting_from_standby_below_the_one_in_use(registry: ModelRegistry) -> None:
    filled(registry, promoted=[4], standby=[3])

    registry.promote("mean", 3)

    assert states(registry) == [(4, "standby"), (3, "in_use")]


def test_promoting_the_version_in_use_changes_nothing(registry: ModelRegistry, tmp_path: Path) -> None:
    filled(registry, promoted=[1, 2])
    before = (tmp_path / "models" / "mean" / "promotions.jsonl").read_bytes()

    registry.promote("mean", 2)

    assert in_use(registry) == 2
    assert (tmp_path / "models" / "mean" / "promotions.jsonl").read_bytes() == before


def test_what_is_in_use_changes_in_a_single_rename(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(registry, promoted=[1, 2, 3, 5], standby=[4])
    seen = [in_use(registry)]
    rename = Path.rename

    def watched(self: Path, target: Path) -> Path:
        renamed = rename(self, target)
        seen.append(int(latest_version(target.parents[1] if target.parent.name == "standby" else target.parent).name))
        return renamed

    monkeypatch.setattr(Path, "rename", watched)
    for version in (2, 4, 1, 5):
        registry.promote("mean", version)
    registry.rollback("mean")

    assert [one for one, before in zip(seen[1:], seen, strict=False) if one != before] == [2, 4, 1, 5, 1]


def test_every_change_is_written_down(registry: ModelRegistry, tmp_path: Path) -> None:
    filled(registry, promoted=[1, 2])
    registry.rollback("mean")

    lines = (tmp_path / "models" / "mean" / "promotions.jsonl").read_text().splitlines()

    changes = [json.loads(line) for line in lines]
    assert [(c["action"], c["version"], c["before"]) for c in changes] == [
        ("promote", 1, None),
        ("promote", 2, 1),
        ("rollback", 1, 2),
    ]
    assert all(change["at"].endswith("Z") for change in changes)


def test_rollbacks_go_back_step_by_step_in_the_order_of_promotions_not_of_numbers(registry: ModelRegistry) -> None:
    filled(registry, promoted=[], standby=[1, 2, 3])
    for version in (2, 3, 1):
        registry.promote("mean", version)

    assert [registry.rollback("mean"), registry.rollback("mean")] == [3, 2]
    assert states(registry) == [(3, "standby"), (2, "in_use"), (1, "promoted")]


def test_a_rollback_is_not_itself_rolled_back(registry: ModelRegistry) -> None:
    filled(registry, promoted=[1, 2, 3])
    registry.rollback("mean")
    registry.add("mean", 4, mean(4))
    registry.promote("mean", 4)

    assert [registry.rollback("mean"), registry.rollback("mean")] == [2, 1]


def test_a_rollback_passes_over_versions_that_are_gone(registry: ModelRegistry) -> None:
    filled(registry, promoted=[], standby=[1, 2, 3])
    for version in (1, 3, 2):
        registry.promote("mean", version)
    registry.delete("mean", 3)

    assert registry.rollback("mean") == 1


def test_without_history_the_next_lower_version_takes_over(registry: ModelRegistry, tmp_path: Path) -> None:
    for version in (1, 2, 4):
        write_mean_version(tmp_path / "models" / "mean" / str(version), mean_manifest(version=version))

    assert [registry.rollback("mean"), registry.rollback("mean")] == [2, 1]
    assert states(registry) == [(4, "standby"), (2, "standby"), (1, "in_use")]


def test_a_promotion_that_was_written_down_and_never_came_about_is_passed_over(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    filled(registry, promoted=[1, 2, 3])
    log = tmp_path / "models" / "mean" / "promotions.jsonl"
    with log.open("a") as file:
        file.write('{"at":"2026-01-01T00:00:00Z","action":"promote","version":1,"before":3}\n{"at":"2026-')

    assert registry.rollback("mean") == 2
    assert registry.rollback("mean") == 1


def test_there_is_nothing_to_go_back_to(registry: ModelRegistry) -> None:
    with pytest.raises(RegistryError, match="no version of mean is in use: promote one"):
        registry.rollback("mean")
    filled(registry, promoted=[1], standby=[2])

    with pytest.raises(RegistryError, match="version 1 of mean is the first that was in use: promote another one"):
        registry.rollback("mean")


def test_numbers_are_not_used_twice(registry: ModelRegistry) -> None:
    assert registry.next_version("mean") == 1
    filled(registry, promoted=[1, 3], standby=[2])
    assert registry.next_version("mean") == 4

    registry.promote("mean", 2)
    registry.delete("mean", 3)
    # Stored results speak of version 3.
    assert registry.next_version("mean") == 4


def test_a_number_that_is_taken_is_refused_and_replaced_only_on_standby(registry: ModelRegistry) -> None:
    filled(registry, promoted=[1], standby=[2])

    with pytest.raises(RegistryError, match=r"a version 2 of mean already: give another number, or replace it"):
        registry.add("mean", 2, mean(2))
    with pytest.raises(RegistryError, match=r"version 1 of mean is promoted and cannot be replaced"):
        registry.add("mean", 1, mean(1), replace=True)

    manifest = mean_manifest(version=2, confidence_threshold=0.7)
    path = registry.add("mean", 2, lambda directory: write_mean_version(directory, manifest), replace=True)
    assert load_manifest(path) == manifest


def test_a_number_that_is_taken_meanwhile_is_refused(registry: ModelRegistry) -> None:
    def write(directory: Path) -> None:
        registry.add("mean", 1, mean(1))
        mean(1)(directory)

    with pytest.raises(RegistryError, match="already"):
        registry.add("mean", 1, write)
    assert states(registry) == [(1, "standby")]


def test_a_version_that_cannot_be_written_leaves_nothing_behind(registry: ModelRegistry, tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        mean(1)(directory)
        raise OSError(28, "No space left on device")

    with pytest.raises(RegistryError, match=r"cannot write .*standby/1: No space left on device"):
        registry.add("mean", 1, fail)

    assert list((tmp_path / "models" / "mean").iterdir()) == []


def test_only_versions_on_standby_are_deleted(registry: ModelRegistry, tmp_path: Path) -> None:
    filled(registry, promoted=[1, 2], standby=[3])

    registry.delete("mean", 3)

    for version in (1, 2):
        with pytest.raises(RegistryError, match=f"version {version} of mean is promoted"):
            registry.delete("mean", version)
    with pytest.raises(RegistryError, match="no version 3 of mean; there is 1, 2"):
        registry.delete("mean", 3)
    assert list((tmp_path / "models" / "mean" / "standby").iterdir()) == []


def test_models_are_listed_by_name(registry: ModelRegistry, tmp_path: Path) -> None:
    assert registry.names() == []
    filled(registry, promoted=[1])
    registry.add("other", 1, lambda directory: write_mean_version(directory, mean_manifest(name="other")))
    (tmp_path / "models" / "empty").mkdir()
    (tmp_path / "models" / "notes.txt").touch()

    assert registry.names() == ["mean", "other"]
    assert registry.versions("nothing") == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "Mean", ".hidden"])
def test_a_name_that_could_lead_elsewhere_is_refused(registry: ModelRegistry, name: str) -> None:
    with pytest.raises(RegistryError, match="names no model: a name has lower-case letters"):
        registry.versions(name)


def test_a_broken_version_is_listed_with_its_problem(registry: ModelRegistry) -> None:
    filled(registry, promoted=[1], standby=[2, 3])
    by_number = {one.version: one for one in registry.versions("mean")}
    manifest_path(by_number[2].path).write_text("{}")
    shutil.copytree(by_number[1].path, by_number[3].path.with_name("4"))

    four, three, two, one = registry.versions("mean")

    assert [v.version for v in (four, three, two, one)] == [4, 3, 2, 1]
    assert four.manifest is None
    assert "speaks of mean version 1: the model was copied to a wrong place" in (four.problem or "")
    assert "is not a model manifest" in (two.problem or "")
    assert (one.problem, three.problem) == (None, None)


def nan_network(path: Path) -> None:
    """A network that has the right shapes and never answers with a number."""
    shape = ["n", 5, 6]
    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["samples", "axes"], ["sums"], keepdims=0),
            helper.make_node("Sub", ["sums", "sums"], ["zero"]),
            helper.make_node("Div", ["zero", "zero"], ["nan"]),
            helper.make_node("Unsqueeze", ["nan", "last"], ["column"]),
            helper.make_node("Concat", ["column", "column", "column"], ["probabilities"], axis=1),
        ],
        "nan",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [
            helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
            helper.make_tensor("last", TensorProto.INT64, [1], [1]),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def _spoil(directory: Path, how: str) -> None:
    manifest = mean_manifest(version=2)
    match how:
        case "no manifest":
            manifest_path(directory).unlink()
        case "other version":
            manifest_path(directory).write_text(mean_manifest(version=3).model_dump_json())
        case "other name":
            manifest_path(directory).write_text(mean_manifest(version=2, name="other").model_dump_json())
        case "no network":
            onnx_path(directory).unlink()
        case "broken network":
            onnx_path(directory).write_bytes(onnx_path(directory).read_bytes()[:100])
        case "other window":
            shutil.rmtree(directory)
            write_mean_version(directory, manifest, network=mean_manifest(window_size=6))
        case "other labels":
            shutil.rmtree(directory)
            write_mean_version(directory, manifest, network=mean_manifest(labels=manifest.labels[:2]))
        case "no numbers":
            nan_network(onnx_path(directory))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("no manifest", r"cannot read .*model.json: No such file"),
        ("other version", r"speaks of mean version 3: the model was copied to a wrong place"),
        ("other name", r"speaks of other version 2: the model was copied to a wrong place"),
        ("no network", r"cannot load the network .*model.onnx"),
        ("broken network", r"cannot load the network .*model.onnx"),
        ("other window", r"the input \['n', 6, 6\], its manifest speaks of one of shape \[n, 5, 6\]"),
        ("other labels", r"the output \['n', 2\], its manifest speaks of one of shape \[n, 3\]"),
        ("no numbers", r"values that are not numbers"),
    ],
)
def test_a_version_that_does_not_fit_is_refused_before_anything_moves(
    registry: ModelRegistry, tmp_path: Path, how: str, reason: str
) -> None:
    filled(registry, promoted=[1], standby=[2])
    _spoil(tmp_path / "models" / "mean" / "standby" / "2", how)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "models").rglob("*")}

    with pytest.raises(RegistryError, match=f"version 2 of mean is not put in use: .*{reason}"):
        registry.promote("mean", 2)

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "models").rglob("*")} == before


def test_a_version_that_is_there_twice_is_not_moved(registry: ModelRegistry, tmp_path: Path) -> None:
    filled(registry, promoted=[1, 2])
    shutil.copytree(tmp_path / "models" / "mean" / "2", tmp_path / "models" / "mean" / "standby" / "2")

    with pytest.raises(RegistryError, match="mean has two versions 2"):
        registry.rollback("mean")
    assert in_use(registry) == 2


def test_a_missing_version_is_named_with_those_that_are_there(registry: ModelRegistry) -> None:
    filled(registry, promoted=[1], standby=[2])

    with pytest.raises(RegistryError, match="no version 7 of mean; there is 1, 2"):
        registry.promote("mean", 7)


def test_a_runtime_that_is_not_installed_is_named(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.add("mean", 1, mean(1))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "repsense.classifiers.onnx", raising=False)

    with pytest.raises(RegistryError, match=r"needs onnxruntime: pip install 'repsense\[onnx\]'"):
        registry.promote("mean", 1)


def started(script: str, models: Path) -> subprocess.Popen[str]:
    """Another process that works on the same models."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "MODELS": str(models)}
    head = """
        import os
        from pathlib import Path

        from support.models import mean_manifest, write_mean_version

        from repsense.registry import ModelRegistry

        models = Path(os.environ["MODELS"])
        registry = ModelRegistry(models)
    """
    code = textwrap.dedent(head) + textwrap.dedent(script)
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)


def run_and_die(script: str, models: Path) -> None:
    """Run a script that ends itself as a kill would."""
    process = started(script, models)
    _, errors = process.communicate()
    assert process.returncode == 9, errors


def test_what_a_killed_writer_left_is_swept_by_the_next_one(registry: ModelRegistry, tmp_path: Path) -> None:
    run_and_die(
        """
        def write(directory):
            write_mean_version(directory, mean_manifest())
            os._exit(9)

        registry.add("mean", 1, write)
        """,
        tmp_path / "models",
    )
    (leftover,) = (tmp_path / "models" / "mean").iterdir()
    assert leftover.name.startswith(".1.")
    assert registry.names() == []

    registry.add("mean", 1, mean(1))

    assert [path.name for path in (tmp_path / "models" / "mean").iterdir()] == ["standby"]


def test_what_a_living_writer_has_begun_is_left_alone(registry: ModelRegistry) -> None:
    def write(directory: Path) -> None:
        registry.add("mean", 2, mean(2))
        mean(1)(directory)

    registry.add("mean", 1, write)

    assert states(registry) == [(2, "standby"), (1, "standby")]


@pytest.mark.parametrize("n_renames", range(4))
def test_a_promotion_that_is_killed_at_any_step_leaves_the_old_or_the_new_version_in_use(
    registry: ModelRegistry, tmp_path: Path, n_renames: int
) -> None:
    # From standby below two promoted ones: in, the lower one out, and the one in use out.
    filled(registry, promoted=[1, 3, 4], standby=[2])
    run_and_die(
        f"""
        n_left = {n_renames}
        rename = Path.rename

        def dying(self, target):
            global n_left
            if n_left == 0:
                os._exit(9)
            n_left -= 1
            return rename(self, target)

        Path.rename = dying
        registry.promote("mean", 2)
        os._exit(9)
        """,
        tmp_path / "models",
    )

    assert in_use(registry) == (2 if n_renames == 3 else 4)
    assert sorted(version for version, _ in states(registry)) == [1, 2, 3, 4]
    registry.promote("mean", 2)
    assert states(registry) == [(4, "standby"), (3, "standby"), (2, "in_use"), (1, "promoted")]
    assert registry.rollback("mean") == 4


CHANGE_AT_RANDOM = """
    import random
    from functools import partial

    from repsense.errors import RegistryError

    choose = random.Random(SEED)
    for _ in range(30):
        version = choose.randint(1, 6)
        write = partial(write_mean_version, manifest=mean_manifest(version=version))
        change = choose.choice(
            [
                partial(registry.promote, "mean", version),
                partial(registry.rollback, "mean"),
                partial(registry.delete, "mean", version),
                partial(registry.add, "mean", version, write, replace=True),
            ]
        )
        try:
            change()
        except RegistryError as error:
            # It is refused for a reason, and never because another process was in the way.
            if str(error).startswith("cannot "):
                raise
"""

WATCH = """
    from repsense.errors import ManifestError
    from repsense.manifest import latest_version, load_manifest

    while not (models / "stop").exists():
        newest = latest_version(models / "mean")
        try:
            load_manifest(newest)
        except ManifestError:
            # It may have been taken out between the two looks.
            if newest.exists():
                raise
"""


def test_processes_that_change_a_model_at_once_do_not_corrupt_it(registry: ModelRegistry, tmp_path: Path) -> None:
    models = tmp_path / "models"
    filled(registry, promoted=[1, 2], standby=[3, 4])
    watcher = started(WATCH, models)
    changers = [started(CHANGE_AT_RANDOM.replace("SEED", str(seed)), models) for seed in range(3)]

    complaints = [process.communicate()[1] for process in changers]
    (models / "stop").touch()
    complaints.append(watcher.communicate()[1])

    assert complaints == [""] * 4
    found = registry.versions("mean")
    assert len({one.version for one in found}) == len(found)
    assert [one.state for one in found].count("in_use") == 1
    assert all(one.problem is None for one in found)
    assert not list((models / "mean").glob(".*.partial"))
