import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repsense_inference.errors import InvalidCursorError
from repsense_inference.paging import Cursor, page_at_hand, page_from

_FIELD = "started_us"


def _pages(documents: list[dict[str, object]], limit: int) -> list[list[object]]:
    """Follow the cursors as a repository would, with a query that returns ties in an order of its own."""
    pages: list[list[object]] = []
    text: str | None = None
    while True:
        cursor = Cursor.decode(text, _FIELD) if text else None
        found = [one for one in documents if cursor is None or int(str(one[_FIELD])) <= int(cursor.value)]
        found.sort(key=lambda one: int(str(one[_FIELD])), reverse=True)
        n_given = len(cursor.given) if cursor else 0
        page = page_from(found[: limit + 1 + n_given], _FIELD, limit, cursor)
        pages.append([one["_id"] for one in page.items])
        text = page.next_cursor
        if text is None:
            return pages


def _pages_at_hand(documents: list[dict[str, object]], limit: int) -> list[list[object]]:
    pages: list[list[object]] = []
    text: str | None = None
    while True:
        page = page_at_hand(documents, _FIELD, limit, text)
        pages.append([one["_id"] for one in page.items])
        text = page.next_cursor
        if text is None:
            return pages


@settings(deadline=None)
@given(times=st.lists(st.integers(0, 5), max_size=30), limit=st.integers(1, 7))
def test_pages_hold_everything_once_newest_first_however_many_share_a_time(times: list[int], limit: int) -> None:
    documents: list[dict[str, object]] = [{"_id": f"id-{i}", _FIELD: time} for i, time in enumerate(times)]
    time_of = {str(one["_id"]): one[_FIELD] for one in documents}

    pages = _pages(documents, limit)

    listed = [str(one) for page in pages for one in page]
    assert sorted(listed) == sorted(time_of)
    assert [time_of[one] for one in listed] == sorted(times, reverse=True)
    assert all(len(page) == limit for page in pages[:-1])


@settings(deadline=None)
@given(times=st.lists(st.integers(0, 5), max_size=30), limit=st.integers(1, 7))
def test_so_do_pages_of_a_list_at_hand(times: list[int], limit: int) -> None:
    documents: list[dict[str, object]] = [{"_id": f"id-{i}", _FIELD: time} for i, time in enumerate(times)]

    pages = _pages_at_hand(documents, limit)

    newest_first = sorted(documents, key=lambda one: (str(one[_FIELD]), str(one["_id"])), reverse=True)
    assert [one for page in pages for one in page] == [one["_id"] for one in newest_first]
    assert all(len(page) == limit for page in pages[:-1])


def test_a_cursor_is_short_however_many_were_imported_together() -> None:
    documents = [{"_id": f"{number:032x}", _FIELD: 1_772_386_800_000_000} for number in range(3_000)]

    page = page_at_hand(documents, _FIELD, 1_000, page_at_hand(documents, _FIELD, 1_000, None).next_cursor)

    assert len(page.items) == 1_000
    assert page.next_cursor is not None
    assert len(page.next_cursor) < 100


def test_a_cursor_of_a_list_in_the_database_is_none_of_one_at_hand() -> None:
    for cursor in (Cursor(_FIELD, 7, ()), Cursor(_FIELD, 7, ("a", "b")), Cursor(_FIELD, "7", ("a",))):
        with pytest.raises(InvalidCursorError):
            page_at_hand([{"_id": "a", _FIELD: 1}], _FIELD, 1, cursor.encode())


def test_a_cursor_survives_the_way_to_the_client_and_back() -> None:
    cursor = Cursor("sensor_key", "wrist:0000000000000005", ("wrist:m@1:5", "wrist:m@2:5"))

    text = cursor.encode()

    assert Cursor.decode(text, "sensor_key") == cursor
    assert text.isascii()
    assert not set(text) & set("+/=&?")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "ö",
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b"7").decode(),
        base64.urlsafe_b64encode(b"{}").decode(),
        Cursor("another_field", 7, ()).encode(),
        Cursor(_FIELD, -1, ()).encode(),
        Cursor(_FIELD, 1 << 63, ()).encode(),
        Cursor(_FIELD, "\ud800", ()).encode(),
        base64.urlsafe_b64encode(b'["started_us",1,2]').decode(),
        base64.urlsafe_b64encode(b'["started_us",true]').decode(),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
    ],
)
def test_what_is_no_cursor_of_this_list_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        Cursor.decode(text, _FIELD)
