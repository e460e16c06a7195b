"""Passwords, proofs that they were given, and patience with wrong tries."""

import pytest

from repsense_dashboard.access import SESSION_S, Access, Attempt

_PASSWORD = "barbell-rack"  # noqa: S105 - of a test


class _Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def access(clock: _Clock) -> Access:
    return Access(_PASSWORD, clock=clock, calendar=clock)


@pytest.mark.parametrize("wrong", ["", "barbell", "barbell-rack ", "Barbell-Rack", "bärbell-räck"])
def test_only_the_password_itself_is_right(access: Access, wrong: str) -> None:
    assert access.attempt(wrong, "a") == Attempt(right=False, wait_s=1, looked_at=True)
    assert access.attempt(_PASSWORD, "b").right


def test_each_wrong_try_makes_the_next_wait_twice_as_long(access: Access, clock: _Clock) -> None:
    waits = []
    for _ in range(8):
        attempt = access.attempt("guess", "a")
        waits.append(attempt.wait_s)
        clock.now_s += attempt.wait_s
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_what_comes_too_early_is_not_looked_at_even_if_it_is_right(access: Access, clock: _Clock) -> None:
    access.attempt("guess", "a")
    clock.now_s += 0.5
    assert access.attempt(_PASSWORD, "a") == Attempt(right=False, wait_s=1, looked_at=False)
    assert access.attempt(_PASSWORD, "b").right
    clock.now_s += 0.5
    assert access.attempt(_PASSWORD, "a").right


def test_wrong_tries_are_forgiven_by_the_right_one_and_by_time(access: Access, clock: _Clock) -> None:
    for _ in range(3):
        clock.now_s += access.attempt("guess", "a").wait_s
    assert access.attempt(_PASSWORD, "a").right
    assert access.attempt("guess", "a").wait_s == 1
    for _ in range(3):
        clock.now_s += 60
        access.attempt("guess", "a")
    clock.now_s += 901
    assert access.attempt("guess", "a").wait_s == 1


def test_who_comes_from_many_addresses_fills_no_memory(access: Access) -> None:
    for number in range(1001):
        access.attempt("guess", str(number))
    assert len(access._wrong) == 1000
    assert access.attempt("guess", "0") == Attempt(right=False, wait_s=1, looked_at=True)
    assert not access.attempt("guess", "1000").looked_at


def test_a_proof_lasts_for_a_while_and_over_a_restart(access: Access, clock: _Clock) -> None:
    proof = access.prove()
    assert access.is_proof(proof)
    clock.now_s += SESSION_S - 1
    assert Access(_PASSWORD, calendar=clock).is_proof(proof)
    clock.now_s += 1
    assert not access.is_proof(proof)


def test_another_password_makes_proofs_worthless(access: Access, clock: _Clock) -> None:
    assert not Access("another one", calendar=clock).is_proof(access.prove())


@pytest.mark.parametrize(
    "change", ["", "x", "{proof}0", "9{proof}", "9999999999.{signature}", "9999999999", ".", "é.é"]
)
def test_what_was_not_given_here_is_no_proof(access: Access, change: str) -> None:
    proof = access.prove()
    assert not access.is_proof(change.format(proof=proof, signature=proof.partition(".")[2]))
