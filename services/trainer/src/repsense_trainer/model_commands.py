"""Commands on the versions of models: list, compare, promote, rollback."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from repsense.errors import RegistryError
from repsense.manifest import ModelManifest, load_manifest
from repsense.registry import ModelRegistry, RegisteredVersion
from repsense_trainer.comparison import Comparison, compare_versions
from repsense_trainer.configuration import ConfigurationFile
from repsense_trainer.console import JsonOption, errors_in_words, plain_console, print_json
from repsense_trainer.sources import read_source

__all__ = ["compare", "list_models", "promote", "rollback"]

ModelsOption = Annotated[Path, typer.Option(help="Where models lie.")]
_NameArgument = Annotated[str, typer.Argument(help="The model.")]
_MODELS = Path("models")


def list_models(
    name: Annotated[str | None, typer.Argument(help="Only this model.", show_default=False)] = None,
    *,
    models: ModelsOption = _MODELS,
    json: JsonOption = False,
) -> None:
    """List the versions of the models: which is in use, which wait, and how good they are."""
    with errors_in_words():
        registry = ModelRegistry(models)
        versions = [version for model in ([name] if name else registry.names()) for version in registry.versions(model)]
        if json:
            print_json([_as_json(version) for version in versions])
            return
        if not versions:
            msg = f"there is no {name or 'model'} in {models}: train one with `repsense-train train`"
            raise RegistryError(msg)
        table = Table("model", "version", "state", "trained", "right", "worst group", "AUROC of unknown")
        for version in versions:
            table.add_row(version.name, str(version.version), version.state.replace("_", " "), *_figures(version))
        plain_console().print(table)


def compare(
    name: _NameArgument,
    versions: Annotated[list[int], typer.Argument(help="Two or more versions.")],
    source: Annotated[
        str | None,
        typer.Option("--on", help="Recordings to test on: a file, a folder or a database.", show_default=False),
    ] = None,
    *,
    config: Annotated[
        Path | None, typer.Option(help="The TOML file that says how to read them.", show_default=False)
    ] = None,
    models: ModelsOption = _MODELS,
    json: JsonOption = False,
) -> None:
    """Compare versions on recordings that none of them was trained on, side by side.

    Without --on, the figures are those of their own evaluations, if these used the same data.
    """
    with errors_in_words():
        registry = ModelRegistry(models)
        known = {version.version: version for version in registry.versions(name)}
        for version in versions:
            if version not in known:
                there = ", ".join(map(str, sorted(known))) or "none"
                msg = f"there is no version {version} of {name}; there are {there}"
                raise RegistryError(msg)
        chosen = [known[version] for version in versions]
        if source is None:
            _compare_evaluations(chosen, as_json=json)
            return
        # Not at the top: a worker has these commands too, and should not hold the runtime's memory for weeks.
        from repsense.classifiers.onnx import OnnxClassifier  # noqa: PLC0415

        description = None if config is None else ConfigurationFile.load(config).data
        recordings = read_source(source, description)
        comparison = compare_versions(recordings, [OnnxClassifier.open_version(version.path) for version in chosen])
        if json:
            print_json(comparison)
        else:
            _print_comparison(comparison)


def promote(
    name: _NameArgument,
    version: Annotated[int, typer.Argument(help="What is to be in use.")],
    *,
    models: ModelsOption = _MODELS,
    json: JsonOption = False,
) -> None:
    """Put a version in use; what runs takes it up within seconds."""
    with errors_in_words():
        registry = ModelRegistry(models)
        before = registry.in_use(name)
        registry.promote(name, version)
        _report_use(name, version, None if before is None else before.version, as_json=json)


def rollback(name: _NameArgument, *, models: ModelsOption = _MODELS, json: JsonOption = False) -> None:
    """Go back to the version that was in use before."""
    with errors_in_words():
        registry = ModelRegistry(models)
        before = registry.in_use(name)
        version = registry.rollback(name)
        _report_use(name, version, None if before is None else before.version, as_json=json)


def _report_use(name: str, version: int, before: int | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "version": version, "before": before})
        return
    instead = f" instead of version {before}" if before not in {None, version} else ""
    typer.echo(f"{name}: version {version} is in use{instead}")


def _as_json(version: RegisteredVersion) -> dict[str, object]:
    return {
        "name": version.name,
        "version": version.version,
        "state": version.state,
        "path": str(version.path),
        "problem": version.problem,
        "manifest": version.manifest,
    }


def _figures(version: RegisteredVersion) -> tuple[str, str, str, str]:
    manifest = version.manifest
    if manifest is None or version.problem is not None:
        return "", version.problem or "", "", ""
    trained = f"{manifest.created_at:%Y-%m-%d}"
    evaluation = manifest.evaluation
    if evaluation is None:
        return trained, "not evaluated", "", ""
    worst = min(evaluation.groups, key=lambda group: group.accuracy)
    auroc = "" if evaluation.unknown is None else f"{evaluation.unknown.auroc:.3f}"
    return trained, f"{evaluation.accuracy:.2%}", f"{worst.accuracy:.2%} ({worst.group})", auroc


def _compare_evaluations(versions: list[RegisteredVersion], *, as_json: bool) -> None:
    manifests = [_evaluated(version) for version in versions]
    if len({manifest.training.dataset_fingerprint for manifest in manifests}) > 1:
        msg = (
            "these versions were evaluated on different data, so their figures cannot be compared: "
            "name recordings that none of them was trained on with --on"
        )
        raise RegistryError(msg)
    if as_json:
        print_json([{"version": manifest.version, "evaluation": manifest.evaluation} for manifest in manifests])
        return
    table = Table("", *(f"version {manifest.version}" for manifest in manifests))
    evaluations = [manifest.evaluation for manifest in manifests if manifest.evaluation is not None]
    table.add_row("accuracy", *(f"{evaluation.accuracy:.2%}" for evaluation in evaluations))
    table.add_row("macro-F1", *(f"{evaluation.macro_f1:.4f}" for evaluation in evaluations))
    for label in evaluations[0].recall:
        table.add_row(label, *(_share(evaluation.recall.get(label)) for evaluation in evaluations))
    plain_console().print(table)


def _evaluated(version: RegisteredVersion) -> ModelManifest:
    manifest = load_manifest(version.path)
    if manifest.evaluation is None:
        msg = (
            f"version {version.version} was trained without evaluation: name recordings that it was not trained on "
            "with --on"
        )
        raise RegistryError(msg)
    return manifest


def _print_comparison(comparison: Comparison) -> None:
    table = Table(
        "",
        *(f"version {figures.version}" for figures in comparison.versions),
        title=f"{comparison.name} on {comparison.n_recordings} recordings of {', '.join(comparison.groups)}",
    )
    table.add_row("windows", *(str(figures.n_windows) for figures in comparison.versions))
    table.add_row("right", *(_share(figures.accuracy) for figures in comparison.versions))
    table.add_row("right and shown", *(_share(figures.shown_accuracy) for figures in comparison.versions))
    table.add_row("unknown", *(_share(figures.unknown_share) for figures in comparison.versions), end_section=True)
    for label in comparison.labels:
        table.add_row(label, *(_share(figures.recall.get(label)) for figures in comparison.versions))
    plain_console().print(table)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
