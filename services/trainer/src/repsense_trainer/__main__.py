"""The trainer as a program: `repsense-train`, or `python -m repsense_trainer`."""

from repsense_trainer.cli import app

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    app(prog_name="repsense-train")


if __name__ == "__main__":
    main()
