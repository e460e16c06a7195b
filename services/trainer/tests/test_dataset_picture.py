import io
from dataclasses import replace
from itertools import product

import pytest
from PIL import Image
from support.recordings import make_recording

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.recordings.inspection import inspect
from repsense_trainer.dataset_picture import plot

SQUAT, LUNGE = Label(exercise="squat"), Label(exercise="lunge")
GOOD = [
    make_recording(1500, seed=seed, label=label, subject=subject, session=session, sensor="wrist")
    for seed, (subject, session, label) in enumerate(product(("ann", "bob"), "12", (SQUAT, LUNGE)))
]


def odd() -> list[Recording]:
    """What a picture could stumble over."""
    one = make_recording(1, label=Label(exercise="a label that is as long as a label can ever be, so it says"))
    field = Recording(one.samples[:, :2], CHANNELS[6:8], 100.0, label=Label(exercise="$\\what$ <b>& 深蹲"))
    many = [make_recording(5, seed=n, label=SQUAT, subject=f"person {n}", session="1") for n in range(60)]
    return [one, field, replace(one, label=None), *many]


@pytest.mark.parametrize("recordings", [GOOD, odd(), GOOD[:1]])
def test_the_picture_can_be_opened(recordings: list[Recording]) -> None:
    png = plot(recordings, inspect(recordings))
    svg = plot(recordings, inspect(recordings), "svg")

    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert image.width > 1000
    assert b"<svg" in svg
