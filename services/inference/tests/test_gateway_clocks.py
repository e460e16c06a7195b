"""How far the clocks of gateways are from this machine's."""

import pytest

from repsense_inference.gateway_clocks import GatewayClocks


@pytest.mark.parametrize(
    ("messages", "offset_s"),
    [
        # (how far ahead its time is, when it came)
        ([(7_200.0, 0.0)], 7_200.0),
        ([(-180.0, 0.0)], None),
        ([(-180.0, 0.0), (-180.4, 10.0)], -180.4),
        # What has waited comes at once, and what follows is in time.
        ([(-180.0, 0.0), (-170.0, 0.1), (-160.0, 0.2)], None),
        ([(-180.0, 0.0), (-180.0, 0.1)], None),
        ([(-180.0, 0.0), (-0.1, 10.0)], None),
        ([(-180.0, 0.0), (-0.1, 10.0), (-0.1, 20.0)], -0.1),
        # A clock that was set right.
        ([(7_200.0, 0.0), (-0.1, 10.0)], None),
    ],
)
def test_a_clock_that_is_wrong_is_told_from_a_message_that_is_late(
    messages: list[tuple[float, float]], offset_s: float | None
) -> None:
    clocks = GatewayClocks()
    for ahead_s, arrived_s in messages:
        clocks.hear("gym", ahead_s, arrived_s)

    assert clocks.offsets_s().get("gym") == offset_s


def test_what_is_heard_after_a_pause_may_have_waited() -> None:
    clocks = GatewayClocks()
    clocks.hear("gym", -180.0, 0.0)
    clocks.forget()
    clocks.hear("gym", -180.0, 10.0)

    assert clocks.offsets_s() == {}
