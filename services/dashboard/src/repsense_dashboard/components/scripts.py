"""The JavaScript of the components, as Streamlit wants it: one module each."""

from importlib.resources import files

__all__ = ["script"]


def script(*names: str) -> str:
    """Return files of this folder as one module; the last of them has the default export."""
    folder = files("repsense_dashboard.components")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
