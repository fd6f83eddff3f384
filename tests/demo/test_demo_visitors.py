"""The generated visitors: valid on the wire, the same for a seed, and consistent within themselves."""

import itertools
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest

from collector.ids import ClickFlag, Device, SignalKind
from collector.traces import Signals
from collector.visitor import network_prefix
from collector.wire import UNSET, Batch, decode_batch
from heatmap.demo.recording import load_recording
from heatmap.demo.shop import ARTICLE, list_paths
from heatmap.demo.visitors import Span, generate

_NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
NO_SIGNALS = Signals([], [], [], [])
_SPAN = Span("demoKey_01", "Europe/Helsinki", _NOW)
_SCHEMA = Path(__file__).parents[1] / "contract" / "wire-v1.schema.json"


class Line(msgspec.Struct):
    at: int
    ip: str
    ua: str
    body: msgspec.Raw

    @property
    def batch(self) -> Batch:
        batch = decode_batch(bytes(self.body))
        assert isinstance(batch, Batch), batch
        return batch


@pytest.fixture(scope="module")
def texts() -> list[bytes]:
    return list(generate(np.random.default_rng(7), load_recording(), _SPAN))


@pytest.fixture(scope="module")
def lines(texts: list[bytes]) -> list[Line]:
    return [msgspec.json.decode(text, type=Line) for text in texts]


@pytest.fixture(scope="module")
def views(lines: list[Line]) -> dict[str, list[Batch]]:
    found: dict[str, list[Batch]] = defaultdict(list)
    for line in lines:
        batch = line.batch
        found[batch.view.view_id].append(batch)
    return dict(found)


def test_every_batch_is_decoded_by_the_collector(lines: list[Line]) -> None:
    """The collector's decoder, whose bounds are those of the JSON Schema, takes every single batch."""
    assert {line.batch.site_key for line in lines} == {"demoKey_01"}


def test_batches_follow_the_wire_schema(lines: list[Line]) -> None:
    """Every batch with a layout and every tenth of the others is valid by the JSON Schema of the wire format."""
    validator = jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text()))
    for place, line in enumerate(lines):
        if place % 10 == 0 or b'"l":{' in bytes(line.body):
            assert validator.is_valid(json.loads(bytes(line.body))), bytes(line.body)


def test_the_same_seed_gives_the_same_bytes(texts: list[bytes]) -> None:
    """Seed and clock decide everything; another seed gives another fortnight."""
    again = itertools.islice(generate(np.random.default_rng(7), load_recording(), _SPAN), 2_000)
    other = generate(np.random.default_rng(8), load_recording(), _SPAN)
    assert list(again) == texts[:2_000]
    assert next(other) != texts[0]


def test_there_are_about_four_thousand_views_of_fourteen_days(lines: list[Line], views: dict[str, list[Batch]]) -> None:
    """The fortnight is big enough to show and small enough to import in seconds; nothing lies in the future."""
    first_ms = min(line.at for line in lines)
    assert 3_000 <= len(views) <= 5_500
    assert max(line.at for line in lines) <= _NOW.timestamp() * 1000
    assert 13 * 86_400_000 < _NOW.timestamp() * 1000 - first_ms <= 14 * 86_400_000


def test_lines_come_in_the_order_of_arrival_but_for_the_last_view(lines: list[Line]) -> None:
    """Arrival times never fall, so that an import can be streamed."""
    last = lines[-1].batch.view.view_id
    times = [line.at for line in lines if line.batch.view.view_id != last]
    assert times == sorted(times)


def test_reports_of_a_view_only_grow(views: dict[str, list[Batch]]) -> None:
    """Engaged time, depth and section times never shrink from one report to the next, and no report is lost inside."""
    for reports in views.values():
        assert [report.view.seq for report in reports] == list(range(len(reports)))
        for before, after in itertools.pairwise(reports):
            assert after.view.engaged_ms >= before.view.engaged_ms
            assert after.view.active_ms >= before.view.active_ms
            assert after.view.depth[0] >= before.view.depth[0]


def test_section_times_add_up_to_engaged_time_at_most(views: dict[str, list[Batch]]) -> None:
    """What is shared between the sections is never more than the engaged time."""
    for reports in views.values():
        known: dict[str, int] = {}
        for report in reports:
            keys = _keys(report)
            known |= {keys[index]: ms for index, ms, _ in report.sections or ()}
        assert sum(known.values()) <= reports[-1].view.engaged_ms


def test_no_visitor_sees_sections_below_the_greatest_depth(views: dict[str, list[Batch]]) -> None:
    """A section has time only if the visitor scrolled to its top: depth and sections agree."""
    recording = load_recording()
    for reports in views.values():
        last = reports[-1]
        geometry = last.geometries[0]
        device = _device(last)
        page = recording.fit(last.view.path, device, (geometry[0], geometry[1]))
        tops = dict(zip(page.section_keys, page.sections[:, 1], strict=True))
        for report in reports:
            keys = _keys(report)
            assert all(tops[keys[index]] <= report.view.depth[0] for index, ms, _ in report.sections or () if ms > 0)


def test_clicks_lie_inside_their_element(views: dict[str, list[Batch]]) -> None:
    """Page position, box and fraction of every click agree within a pixel, and repeats are numbered."""
    recording = load_recording()
    n_clicks = 0
    for reports in views.values():
        nth: dict[str, int] = defaultdict(int)
        for report in reports:
            clicks = report.clicks
            if clicks is UNSET:
                continue
            geometry = report.geometries[0]
            page = recording.fit(report.view.path, _device(report), (geometry[0], geometry[1]))
            boxes = dict(zip(page.element_keys, page.elements, strict=True))
            keys = _keys(report)
            for place, index in enumerate(clicks.elements):
                x, y, w, h = boxes[keys[index]]
                assert abs(x + clicks.x_frac[place] / 255 * w - clicks.x_px[place]) <= 2 + w / 255
                assert abs(y + clicks.y_frac[place] / 255 * h - clicks.y_px[place]) <= 2 + h / 255
                nth[keys[index]] += 1
                assert clicks.nth[place] == nth[keys[index]]
                n_clicks += 1
    assert 5_000 <= n_clicks <= 12_000


def test_a_mouse_moves_to_its_clicks_over_elements(views: dict[str, list[Batch]]) -> None:
    """Moves lie inside the element beneath, rise in time and end at a click; fingers do not move."""
    recording = load_recording()
    n_moves = 0
    for reports in views.values():
        for report in reports:
            if report.moves is UNSET:
                continue
            assert not report.view.pointer_is_coarse
            moves, clicks, keys = report.moves, report.clicks, _keys(report)
            geometry = report.geometries[0]
            page = recording.fit(report.view.path, _device(report), (geometry[0], geometry[1]))
            boxes = dict(zip(page.element_keys, page.elements, strict=True))
            x_px, y_px = (itertools.accumulate(deltas) for deltas in (moves.delta_x_px, moves.delta_y_px))
            for index, at_x, at_y in zip(moves.elements, x_px, y_px, strict=True):
                x, y, w, h = boxes[keys[index]]
                assert x <= at_x < x + w
                assert y <= at_y < y + h
            assert sum(moves.delta_ms) <= sum(clicks.delta_ms)
            n_moves += len(moves.elements)
    assert 10_000 <= n_moves <= 60_000


def test_every_click_on_a_control_was_answered(views: dict[str, list[Batch]]) -> None:
    """Each click that looks interactive has a response, and each view its largest contentful paint."""
    for reports in views.values():
        kinds = Counter(kind for report in reports for kind in (report.signals or NO_SIGNALS).kinds)
        flags = [kind for report in reports if report.clicks is not UNSET for kind in report.clicks.kinds]
        assert kinds[SignalKind.RESPONSE] == sum(kind >= ClickFlag.LOOKS_INTERACTIVE for kind in flags)
        assert kinds[SignalKind.VITAL] == (reports[0].view.seq == 0)


def test_every_page_and_device_has_a_layout(lines: list[Line]) -> None:
    """A layout of each page and device class is among the batches, on the screen that was recorded."""
    found = {(line.batch.view.path, _device(line.batch)) for line in lines if line.batch.layout is not UNSET}
    assert found == set(itertools.product(list_paths(), (Device.DESKTOP, Device.TABLET, Device.PHONE)))


def test_addresses_are_documentation_addresses_of_many_networks(lines: list[Line]) -> None:
    """No address could be a real person's, and visitors differ in what the visitor key sees."""
    for line in lines:
        assert line.ip.startswith(("192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"))
    assert len({(network_prefix(line.ip), line.ua) for line in lines}) > 1_000


def test_days_and_pages_have_their_rhythm(lines: list[Line], views: dict[str, list[Batch]]) -> None:
    """Evenings are busier than nights, all device classes come, and few readers reach the end of the article."""
    hours = [datetime.fromtimestamp(line.at / 1000, UTC).hour for line in lines]
    assert sum(17 <= hour <= 20 for hour in hours) > 8 * sum(0 <= hour <= 3 for hour in hours)
    devices = [_device(reports[-1]) for reports in views.values()]
    assert all(devices.count(device) > 0.05 * len(devices) for device in (Device.DESKTOP, Device.TABLET, Device.PHONE))
    article = [reports[-1].view for reports in views.values() if reports[-1].view.path == ARTICLE]
    assert sum(view.depth[0] >= view.depth[1] * 0.95 for view in article) < 0.2 * len(article)


def _keys(batch: Batch) -> list[str]:
    keys: list[str] = []
    for entry in batch.entries:
        assert not isinstance(entry, str)
        parent, step = entry
        keys.append(step if parent < 0 else f"{keys[parent]}>{step}")
    return keys


def _device(batch: Batch) -> Device:
    if not batch.view.pointer_is_coarse:
        return Device.DESKTOP
    return Device.PHONE if batch.geometries[0][0] < 600 else Device.TABLET
