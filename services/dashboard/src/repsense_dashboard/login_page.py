"""The page on which the password is asked for: without Streamlit, as that is what it protects."""

from functools import cache
from importlib.resources import files
from pathlib import Path

import streamlit

from repsense_dashboard.components.markup import icon, text

__all__ = ["LOGIN_POLICY", "login_page"]

LOGIN_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; font-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_SHEETS = ("icons.css", "base.css", "login.css")


def login_page(action: str, problem: str) -> str:
    """Return the page as HTML.

    Args:
        action: Where the form goes.
        problem: Why the last try did not lead anywhere; empty at first.
    """
    message = f"{icon('alert')}<span>{text(problem)}</span>"
    shown = f'<p class="rs-message rs-message-bad" role="alert" id="problem">{message}</p>' if problem else ""
    described = ' aria-invalid="true" aria-describedby="problem"' if problem else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>RepSense</title>
<style>{_style()}</style>
</head>
<body class="rs-login">
<main>
<header>{_asset("logo.svg")}<b>RepSense</b></header>
<form method="post" action="{text(action)}">
<h1>Who is there?</h1>
<label for="password">Password of this dashboard</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus{described}>
{shown}
<button type="submit">Open</button>
</form>
</main>
</body>
</html>
"""


@cache
def _style() -> str:
    return _type_face() + "".join(_asset(sheet) for sheet in _SHEETS)


def _asset(name: str) -> str:
    return files("repsense_dashboard").joinpath("assets", name).read_text(encoding="utf-8")


def _type_face() -> str:
    """Return the type face of the other pages, which Streamlit serves; without it the page has the system's."""
    folder = Path(streamlit.__file__).parent / "static" / "static" / "media"
    found = next(iter(sorted(folder.glob("SourceSansVF-Upright.ttf.*.woff2"))), None)
    if found is None:
        return ""
    return (
        '@font-face { font-family: "Source Sans"; font-weight: 200 900; '
        f'src: url("/static/media/{found.name}") format("woff2"); }}\n'
    )
