"""The command line: `repsense-admin`, or `python -m repsense_admin`."""

import typer

from repsense_admin.backup_commands import backup, restore
from repsense_admin.prepare_command import prepare
from repsense_admin.secrets_commands import secrets_app

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(secrets_app, name="secrets")
app.command()(prepare)
app.command()(backup)
app.command()(restore)


@app.callback()
def _group() -> None:
    """Set a deployment up and keep it: secrets, database users and schema, backup and restore."""


def main() -> None:
    """Run a command; exit with 2 and one sentence if it cannot be done."""
    app()


if __name__ == "__main__":
    main()
