"""How the commands end that cannot be carried out: one sentence, and 2."""

import contextlib
from collections.abc import Iterator

import typer
from pydantic import ValidationError

from repsense.errors import RepSenseError
from repsense_admin.settings import Settings

__all__ = ["loaded_settings", "refusing"]

_USER_ERROR = 2


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turn an error that a person has to put right into one sentence.

    Raises:
        typer.Exit: With 2, in place of the error.
    """
    try:
        yield
    except RepSenseError as error:
        typer.echo(f"repsense-admin: {error}", err=True)
        raise typer.Exit(_USER_ERROR) from error


def loaded_settings() -> Settings:
    """The settings; exits with one sentence if they cannot be used."""
    with refusing():
        try:
            return Settings.load()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            msg = f"{str(first['loc'][0]).upper()}: {first['msg']}"
            raise RepSenseError(msg) from error
