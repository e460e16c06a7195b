import pytest

from repsense_trainer.console import ConsoleProgress, plain_console

ODD = "row [/machine] [red]"


def test_names_are_printed_as_they_are_whatever_they_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Rich then takes what captures the output for a terminal, and draws the bars.
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")

    with ConsoleProgress(plain_console()) as progress:
        progress.begin(1)
        progress.stage(1, f"leaving out {ODD}", 2)
        progress.group(ODD, 0.5)

    printed = capsys.readouterr().out
    assert f"  {ODD}: 50.00%" in printed
    assert f"leaving out {ODD}, epochs" in printed
