"""How Streamlit is set up and coloured: a configuration by code, so that nobody's home directory takes part."""

from typing import Any

__all__ = ["streamlit_config"]

# Colour is kept for meaning (base.css): what surrounds it is ink on paper, and the brand's lime only in the dark.
_LIGHT = {
    "primaryColor": "#1b2430",
    "backgroundColor": "#f4f5f7",
    "secondaryBackgroundColor": "#ffffff",
    "textColor": "#12181f",
    "borderColor": "#d9dde3",
}
_DARK = {
    "primaryColor": "#c8f23c",
    "backgroundColor": "#0b0f14",
    "secondaryBackgroundColor": "#151b23",
    "textColor": "#eef2f6",
    "borderColor": "#2a333f",
}


def streamlit_config(*, host: str, port: int, log_level: str) -> dict[str, Any]:
    """Return Streamlit's options for this product."""
    return {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        # Watching the sources for changes costs a thread and is for developers.
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "runner.magicEnabled": False,
        # Streamlit would collect garbage after every refresh of every page: 80 ms each, of 100 in all. Python does
        # so by itself when there is some.
        "runner.postScriptGC": False,
        # The message would ask the internet for this machine's public address.
        "logger.hideWelcomeMessage": True,
        "logger.enableRich": False,
        "logger.level": log_level.lower(),
        "theme.baseRadius": "0.75rem",
        **{f"theme.light.{name}": value for name, value in _LIGHT.items()},
        **{f"theme.dark.{name}": value for name, value in _DARK.items()},
    }
