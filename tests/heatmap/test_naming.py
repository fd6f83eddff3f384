"""Elements and sections have names that a person understands, whatever the page says of them."""

import datetime

import numpy as np
import pytest

from collector.ids import Device, Role
from heatmap.layout import Layout
from heatmap.naming import any_item, find_titles, name_element, name_section


@pytest.mark.parametrize(
    ("key", "label", "role", "name"),
    [
        ("#article>p[~4711]:4", "", Role.TEXT, "Text in “Water”"),
        ("#figure>svg", "", Role.IMAGE, "Image in “Water”"),
        ("#figure>figcaption[~88]", "", Role.TEXT, "Caption in “Water”"),
        ("#figure>div:2", "", None, "Element in “Water”"),
        ("#figure>x-thing:2", "", Role.MEDIA, "Media in “Water”"),
        ("#pull-quote", "", Role.TEXT, "Pull quote"),
        ("main>input[cityName]", "", Role.FIELD, "City Name"),
        ("button[add_to]:2", "", Role.BUTTON, "Add to"),
        ("header", "", Role.LANDMARK, "Header"),
        ("main:1", "", Role.LANDMARK, "Page"),
        ("nav", "", Role.LANDMARK, "Navigation"),
        ("main>input[name=old_spelling]", "", Role.FIELD, "Old spelling"),
        ("#nav>a[/shop/tea-pots]", "", Role.LINK, "Shop tea pots"),
        ("nav>a[../about.html]", "", Role.LINK, "About"),
        ("nav>a[#opening-hours]:2", "", Role.LINK, "Opening hours"),
        ("a[https://example.org/]", "", Role.LINK, "Example org"),
        ("main>button[Add to basket]:3", "", Role.BUTTON, "Add to basket"),
        ("[data-testid=cart-button]", "", Role.BUTTON, "Cart button"),
        ("nav[Main]:2", "", Role.LANDMARK, "Main"),
        ("", "", None, "Element in “Water”"),
        ("#buy", "Buy now", Role.BUTTON, "Buy now"),
        ("#hero>img:1", "A teapot and a cup on a table by", Role.IMAGE, "A teapot and a cup on a table…"),
        ("#hero>img:1", "A wood-fired kiln glowing among ", Role.IMAGE, "A wood-fired kiln glowing among…"),
        ("#hero>h1:1", "A teapot and a cup on a table by", Role.HEADING, "A teapot and a cup on a table by"),
    ],
)
def test_an_element_is_named_by_its_words_else_by_its_kind_and_place(key, label, role, name):
    """A label, else what the page's author called it, else its kind and the section that it lies in."""
    assert name_element(key, label, role, "Water") == name


def test_the_items_of_a_list_share_a_key_without_their_places():
    """Places go at every level; what tells an element apart stays, and with it a colon inside words."""
    keys = ["main>li[~431]:3>a[/tea]", "main>li[~431]>a[/tea]:12", "main>li[~431]:200>a[/tea]"]
    assert {any_item(key) for key in keys} == {"main>li[~431]>a[/tea]"}
    assert any_item("main>button[At 9:30]:2") == "main>button[At 9:30]"
    assert any_item("#top") == "#top"


def test_a_section_without_a_title_is_named_by_its_key():
    """A heading's words, an id that a person chose, or its tag."""
    keys = ["h2[how-we-fire]", "#top", "header", "[data-jalki-section=Prices]"]
    assert [name_section(key, "") for key in keys] == ["How we fire", "Top", "Header", "Prices"]
    assert name_section("#top", "Welcome") == "Welcome"


def test_a_point_lies_in_the_smallest_section_around_it():
    """Nested sections: the inner one names; outside of all there is none."""
    ids, px = np.empty(0, np.int64), np.empty(0, np.int32)
    bare = (ids, px, px, px, px, np.empty(0, np.uint8), np.empty(0, np.bool_), ())
    boxes = np.array([[0, 0, 100, 100], [10, 10, 20, 20]], np.int32)
    when = datetime.datetime(2026, 3, 4, tzinfo=datetime.UTC)
    layout = Layout(Device.DESKTOP, when, "Page", 100, 200, 100, 200, *bare, boxes, ("Outer", "Inner"))
    assert find_titles(layout, np.array([15.0, 5.0, 15.0]), np.array([15.0, 5.0, 150.0])) == ["Inner", "Outer", ""]
