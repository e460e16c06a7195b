"""A page's state that is not data: what is missing, and what to do about it."""

from http import HTTPStatus

from repsense_dashboard.api import ApiError, ApiProblemError, ApiUnreachableError
from repsense_dashboard.components.markup import Icon, icon, text
from repsense_dashboard.wording import as_sentence

__all__ = ["api_error_notice", "no_sensor_notice", "notice"]

_TOO_MANY_KEYS = "too-many-keys"


def notice(symbol: Icon, title: str, advice: str, *, commands: tuple[tuple[str, str], ...] = (), foot: str = "") -> str:
    """Return a full-width card.

    Args:
        symbol: Icon above the title.
        title: What is the matter.
        advice: What to do.
        commands: Commands to type, each with what it does.
        foot: What happens next without anybody's doing.
    """
    rows = "".join(f"<li><code>{text(command)}</code><span>{text(effect)}</span></li>" for command, effect in commands)
    return (
        f'<section class="rs-notice" role="status"><div class="rs-notice-icon">{icon(symbol)}</div>'
        f"<h2>{text(title)}</h2><p>{text(advice)}</p>"
        + (f'<ul class="rs-commands">{rows}</ul>' if rows else "")
        + (f'<p class="rs-notice-foot"><span class="rs-pulse"></span>{text(foot)}</p>' if foot else "")
        + "</section>"
    )


def no_sensor_notice() -> str:
    """Return what stands on the page before the first sensor was ever seen."""
    return notice(
        "search",
        "No sensor yet",
        "Start one, and it appears here by itself.",
        commands=(
            ("make up", "a simulated person, to see how everything works"),
            ('SENSOR="ble ADDRESS" make up', "your own Bluetooth sensor: switch it on and keep it near"),
        ),
        foot="Looking for sensors",
    )


def api_error_notice(error: ApiError) -> str:
    """Return what stands on the page while the API gives no usable answer."""
    if isinstance(error, ApiUnreachableError):
        return notice(
            "plug",
            "The RepSense service is away",
            f"{error.detail} Nothing is lost: what the sensors send waits for it.",
            commands=(("make up", "starts everything on this machine"),),
            foot="Trying again",
        )
    if isinstance(error, ApiProblemError) and (error.status == HTTPStatus.UNAUTHORIZED or error.kind == _TOO_MANY_KEYS):
        wrong = error.kind in {"key-wrong", _TOO_MANY_KEYS}
        return notice(
            "key",
            "Another key is needed" if wrong else "The service wants a key",
            f"The dashboard's API_KEY is {'not that of the service' if wrong else 'not set'}. Start the dashboard with "
            "the key that the service was started with.",
            commands=(("API_KEY=… repsense-dashboard", "the same for service and dashboard"),),
            foot="Trying again",
        )
    if isinstance(error, ApiProblemError) and error.kind == "database-unavailable":
        detail = as_sentence(error.detail.removesuffix("; try again"))
        return notice(
            "hourglass",
            "Nothing can be read right now",
            f"{detail} What the sensors send waits meanwhile, and this page comes back by itself.",
            foot="Trying again",
        )
    return notice("alert", error.title, as_sentence(error.detail), foot="Trying again")
