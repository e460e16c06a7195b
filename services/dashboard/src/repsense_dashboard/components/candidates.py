"""What the network hesitates between."""

from repsense_dashboard.api import Candidate, Classification
from repsense_dashboard.components.markup import form_icon, text, tone_of_form
from repsense_dashboard.wording import percent

__all__ = ["candidates_card"]

# As many rows at all times, so that nothing below ever moves.
_N_ROWS = 4


def candidates_card(classification: Classification | None) -> str:
    """Return the most probable labels as bars; empty rows where there is nothing to say."""
    candidates = (classification.probabilities if classification else None) or ()
    top = sorted(candidates, key=lambda candidate: candidate.probability, reverse=True)[:_N_ROWS]
    rows = [_row(candidate) for candidate in top]
    rows += ['<li class="rs-empty"><span>&ndash;</span><span class="rs-track"></span></li>'] * (_N_ROWS - len(rows))
    return (
        '<section class="rs-card"><header><span class="rs-overline">What it could be</span></header>'
        f'<ol class="rs-candidates">{"".join(rows)}</ol></section>'
    )


def _row(candidate: Candidate) -> str:
    label, share = candidate.label, candidate.probability
    form = ""
    if label.form:
        form = f'<em class="rs-text-{tone_of_form(label.form)}">{form_icon(label.form)}{text(label.form)}</em>'
    return (
        f'<li><span class="rs-candidate"><b>{text(label.exercise)}</b>{form}</span>'
        f'<span class="rs-number">{percent(share)}</span>'
        f'<span class="rs-track"><i style="width:{share:.1%}"></i></span></li>'
    )
