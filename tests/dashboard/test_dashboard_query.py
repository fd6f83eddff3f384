"""What a URL asks for, parsed."""

from datetime import date

import pytest

from collector.errors import InvalidError
from collector.ids import Device
from heatmap.dashboard.query import (
    Picture,
    Selection,
    parse_picture,
    parse_selection,
    parse_site_id,
    refuse_unknown,
    require_page,
)

TODAY = date(2026, 11, 22)


def test_an_address_without_parameters_asks_for_a_week_of_all_devices() -> None:
    """The default is the last 7 days, today included."""
    assert parse_selection({}, TODAY) == Selection(None, "click", Device.ALL, date(2026, 11, 16), TODAY)


def test_every_parameter_is_read() -> None:
    """Page, kind, device and both ends of the range come from the address."""
    params = {"page": "/a b", "kind": "scroll", "device": "phone", "from": "2026-11-01", "to": "2026-11-02"}
    expected = Selection("/a b", "scroll", Device.PHONE, date(2026, 11, 1), date(2026, 11, 2))
    assert parse_selection(params, TODAY) == expected


def test_a_picture_is_at_quarter_scale_without_backdrop_unless_asked() -> None:
    """The default is the small overlay that the page scales up."""
    assert parse_picture({}) == Picture(None, 4, "none")
    assert parse_picture({"width": "1280", "scale": "1", "backdrop": "wireframe"}) == Picture(1280, 1, "wireframe")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"kind": "heat"}, "'kind' is 'heat'; it must be one of: click, scroll"),
        ({"device": "tv"}, "'device' is 'tv'; it must be one of: all, desktop, tablet, phone"),
        ({"from": "yesterday"}, "'from' is 'yesterday'; write a date as YYYY-MM-DD"),
        ({"to": "2026-02-30"}, "'to' is 2026-02-30, which is no day of the calendar"),
        ({"to": "20261101"}, "write a date as YYYY-MM-DD"),
        ({"from": "2026-11-20", "to": "2026-11-19"}, "'from' (2026-11-20) is after 'to' (2026-11-19)"),
        ({"to": "2027-01-01"}, "has not begun"),
        ({"from": "2024-01-01"}, "longer than 366 days"),
        ({"from": "0001-01-01"}, "the earliest day is 2000-01-01"),
        ({"page": "teapot"}, "'page' must be a path that begins with '/'"),
        ({"page": "/\x00"}, "'page' holds a NUL character"),
        ({"page": "/" + "a" * 1024}, "'page' is too long: 1,025 characters"),
    ],
)
def test_a_parameter_without_meaning_is_refused_by_name(params: dict[str, str], said: str) -> None:
    """The message names the parameter and what it may be."""
    with pytest.raises(InvalidError) as refusal:
        parse_selection(params, TODAY)
    assert said in str(refusal.value)
    assert refusal.value.hint


@pytest.mark.parametrize(
    "params", [{"scale": "3"}, {"width": "12"}, {"width": "1e3"}, {"width": "٣٣٣"}, {"backdrop": "photo"}]
)
def test_a_picture_that_cannot_be_drawn_is_refused(params: dict[str, str]) -> None:
    """Scale, width and backdrop have few values, and others are named in the refusal."""
    with pytest.raises(InvalidError, match=next(iter(params))) as refusal:
        parse_picture(params)
    assert refusal.value.hint


def test_a_misspelt_parameter_is_refused() -> None:
    """`devise=phone` must not be answered with all devices."""
    with pytest.raises(InvalidError, match="'devise' is not a parameter here"):
        refuse_unknown(["page", "devise"], {"page", "device"})


def test_a_doubled_parameter_is_refused() -> None:
    """Of `page=/&page=/x` neither is guessed to be meant."""
    with pytest.raises(InvalidError, match="'page' is given more than once"):
        refuse_unknown(["page", "device", "page"], {"page", "device"})


def test_a_question_about_no_page_is_refused() -> None:
    """An API route about one page says that the page is missing."""
    with pytest.raises(InvalidError, match="'page' is missing"):
        require_page(parse_selection({}, TODAY))


@pytest.mark.parametrize(("text", "site_id"), [("7", 7), ("x", -1), ("-1", -1), ("9" * 30, -1), ("٣", -1), ("", -1)])
def test_a_site_id_is_a_small_number(text: str, site_id: int) -> None:
    """Whatever else stands in the address is no site."""
    assert parse_site_id(text) == site_id
