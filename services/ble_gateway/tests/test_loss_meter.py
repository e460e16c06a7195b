from repsense_ble_gateway.loss_meter import LossMeter

_NOW_US = 1_700_000_000_000_000
_SECOND_US = 1_000_000


def test_nothing_is_said_before_anything_came() -> None:
    assert LossMeter().share is None


def test_the_share_is_of_all_samples_that_were_sent() -> None:
    meter = LossMeter()
    meter.add(_NOW_US, 45, 0)
    meter.add(_NOW_US + 100_000, 45, 10)
    assert meter.share == 0.1


def test_what_is_older_than_the_window_does_not_count() -> None:
    meter = LossMeter(window_s=60.0)
    meter.add(_NOW_US, 50, 50)
    for second in range(1, 60):
        meter.add(_NOW_US + second * _SECOND_US, 50, 0)
    assert meter.share == 50 / (60 * 50 + 50)
    meter.add(_NOW_US + 60 * _SECOND_US, 50, 0)
    assert meter.share == 0


def test_what_is_of_the_future_since_the_clock_was_put_back_does_not_count() -> None:
    meter = LossMeter()
    meter.add(_NOW_US, 50, 50)
    meter.add(_NOW_US - 3600 * _SECOND_US, 50, 0)
    assert meter.share == 0
