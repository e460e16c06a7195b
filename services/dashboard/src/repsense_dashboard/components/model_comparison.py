"""A model beside the one in use."""

from repsense_dashboard.api.training import Manifest
from repsense_dashboard.components.markup import icon, text
from repsense_dashboard.model_figures import ComparedLabel, Comparison, compare, groups_tested
from repsense_dashboard.wording import as_title, listed, percent

__all__ = ["comparison_card"]


def comparison_card(candidate: Manifest, current: Manifest) -> str:
    """Return two models side by side: how good, on whom tested, and which activities they know."""
    comparison = compare(candidate, current)
    caution = f'<p class="rs-caution">{icon("info")}{text(comparison.caution)}</p>' if comparison.caution else ""
    return (
        '<section class="rs-card"><header><span class="rs-overline">Beside the model in use</span></header>'
        f"<p>{text(_differences(comparison.added, comparison.dropped))}</p>{caution}"
        f"{_table(candidate, current, comparison) if comparison.gain is not None else ''}"
        f'<p class="rs-aside">{_tests(candidate)} {_tests(current)}</p></section>'
    )


def _table(candidate: Manifest, current: Manifest, comparison: Comparison) -> str:
    this, other = _names(candidate, current)
    rows = "".join(_row(one, comparison) for one in comparison.labels)
    return (
        '<table class="rs-compare"><thead><tr><th scope="col"><span class="rs-hidden">activity</span></th>'
        f'<th scope="col">{this}<small>this one</small></th><th scope="col">{other}<small>in use</small></th>'
        '<th scope="col"><span class="rs-hidden">difference</span></th></tr></thead>'
        f"<tbody>{_total(candidate, current, comparison.gain)}{rows}</tbody></table>"
    )


def _names(candidate: Manifest, current: Manifest) -> tuple[str, str]:
    """Return what the two are called, as short as it is clear."""
    if candidate.name == current.name:
        return f"version {candidate.version}", f"version {current.version}"
    return f"{text(candidate.name)} {candidate.version}", f"{text(current.name)} {current.version}"


def _differences(added: tuple[str, ...], dropped: tuple[str, ...]) -> str:
    if not added and not dropped:
        return "Both know the same activities."
    news = f"New: {listed(added, most=6)}." if added else ""
    gone = f"No longer known: {listed(dropped, most=6)}." if dropped else ""
    return f"{news} {gone}".strip()


def _tests(manifest: Manifest) -> str:
    evaluation = manifest.evaluation
    on = f"tested on {groups_tested(evaluation)}" if evaluation else "not tested"
    return text(f"{as_title(manifest.name)} {manifest.version}: {on}.")


def _total(candidate: Manifest, current: Manifest, gain: float | None) -> str:
    shares = [one.evaluation.accuracy if one.evaluation else None for one in (candidate, current)]
    values = "".join(f"<td>{_share(share, is_known=True)}</td>" for share in shares)
    return f'<tr class="rs-compare-total"><th scope="row">All together</th>{values}<td>{_gain(gain)}</td></tr>'


def _row(one: ComparedLabel, comparison: Comparison) -> str:
    candidate = _share(one.candidate, is_known=one.label not in comparison.dropped)
    current = _share(one.current, is_known=one.label not in comparison.added)
    cells = f"<td>{candidate}</td><td>{current}</td><td>{_gain(one.gain)}</td>"
    return f'<tr><th scope="row">{text(one.label)}</th>{cells}</tr>'


def _share(share: float | None, *, is_known: bool) -> str:
    if share is not None:
        return percent(share)
    return '<span class="rs-quiet">not tested</span>' if is_known else '<span class="rs-quiet">unknown</span>'


def _gain(gain: float | None) -> str:
    """Return a difference with its sign: colour alone says nothing."""
    if gain is None:
        return ""
    points = round(gain * 100)
    if points == 0:
        return '<span class="rs-quiet">same</span>'
    tone, sign = ("correct", "+") if points > 0 else ("incorrect", "\N{MINUS SIGN}")
    return f'<span class="rs-text-{tone}">{sign}{abs(points)}</span>'
