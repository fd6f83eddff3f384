"""Batches that are only tried: `?d=1` answers as if they were stored, and leaves nothing behind."""

import gzip

import pytest
from wire_batches import KEY, encode, wire_batch, wire_layout

from collector.bodies import is_debug

HOUR_MS = 3_600_000
TEXT = {"Content-Type": "text/plain;charset=UTF-8"}


async def post(collector, target: str, body: bytes, headers: dict[str, str] | None = None):
    return await collector.client.post(target, data=body, headers=TEXT | (headers or {}))


async def count_all(collector) -> dict[str, int]:
    """Return the rows of every table."""
    tables = await collector.pool.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    )
    return {table[0]: await collector.count(table[0]) for table in tables}


async def read_counts(collector) -> list[str]:
    """Return what the collector has counted of batches."""
    text = await (await collector.client.get("/metrics")).text()
    return [line for line in text.splitlines() if "answers_total" in line or "drops_total" in line]


@pytest.mark.parametrize(
    ("target", "is_packed"),
    [
        ("/v1/events?d=1", False),
        (f"/v1/events/{KEY}?d=1", False),
        ("/v1/events?d=1&e=gzip", True),
        ("/v1/events?e=gzip&d=1", True),
        (f"/v1/events/{KEY}?e=gzip&d=1", True),
    ],
)
async def test_a_tried_batch_is_answered_and_leaves_nothing(collector, target, is_packed):
    """The answer is 204 with a mark that pages may read; no table has another row, and no counter has moved."""
    before = await count_all(collector), await read_counts(collector)
    body = encode(wire_batch(l=wire_layout()))

    answer = await post(collector, target, gzip.compress(body) if is_packed else body)

    assert (answer.status, await answer.read()) == (204, b"")
    assert answer.headers["X-Jalki-Debug"] == "1"
    assert "X-Jalki-Debug" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert (await count_all(collector), await read_counts(collector)) == before


async def test_a_view_of_a_day_without_a_salt_makes_none(start_collector):
    """Even a batch of a day that nobody has asked about before leaves no salt of that day."""
    collector = await start_collector(late_hours=96)
    before = await count_all(collector)

    answer = await post(collector, "/v1/events?d=1", encode(wire_batch(age_ms=72 * HOUR_MS)))

    assert answer.status == 204
    assert await count_all(collector) == before


@pytest.mark.parametrize(
    ("target", "body", "headers"),
    [
        ("/v1/events", b"{}", {}),
        ("/v1/events", b"{}", {"Content-Type": "image/png"}),
        ("/v1/events", encode(wire_batch(k="nobodysKey")), {}),
        ("/v1/events", encode(wire_batch()), {"Origin": "https://other.example"}),
        ("/v1/events", encode(wire_batch(age_ms=30 * HOUR_MS)), {}),
        ("/v1/events", encode(wire_batch(age_ms=-HOUR_MS)), {}),
        ("/v1/events", b" " * 70_000, {}),
        ("/v1/events", b"no gzip", {"Content-Encoding": "gzip"}),
        ("/v1/events", b"", {"Content-Encoding": "br"}),
        ("/v1/events/otherKey_1", encode(wire_batch()), {}),
        (f"/v1/events/{KEY}", encode(wire_batch(k="otherKey_1")), {}),
    ],
    ids=[
        *("no batch", "type", "unknown key", "origin", "old", "future", "large", "no gzip", "encoding"),
        *("unknown key in the address", "two keys"),
    ],
)
async def test_a_tried_batch_is_refused_as_it_would_be(collector, target, body, headers):
    """Status, reason and hint do not depend on whether the batch is meant; only the mark does."""
    await collector.pool.execute("update sites set origins = array['https://shop.example']")
    collector.clock.turn(seconds=1)
    await collector.client.get("/s/unknownKey.js")  # a look-up, which reads the sites anew

    meant = await post(collector, target, body, headers)
    counted = await read_counts(collector)
    tried = await post(collector, f"{target}?d=1", body, headers)

    assert meant.status >= 400
    assert (tried.status, await tried.json()) == (meant.status, await meant.json())
    assert tried.headers["X-Jalki-Drop"] == meant.headers["X-Jalki-Drop"]
    assert (meant.headers.get("X-Jalki-Debug"), tried.headers["X-Jalki-Debug"]) == (None, "1")
    assert await read_counts(collector) == counted


async def test_tried_batches_keep_to_the_rates(start_collector):
    """Trying is no way around a limit, and says when to come again."""
    collector = await start_collector(site_rate=1)
    answers = [await post(collector, "/v1/events?d=1", encode(wire_batch())) for _ in range(60)]
    refused = [answer for answer in answers if answer.status == 429]

    assert refused
    assert {answer.headers["X-Jalki-Drop"] for answer in refused} == {"rate_limited"}
    assert all("Retry-After" in answer.headers for answer in refused)


async def test_the_same_batch_is_stored_when_it_is_meant(collector):
    """Trying a batch spends neither its id nor the question for a layout."""
    body = encode(wire_batch())
    tried = await post(collector, "/v1/events?d=1", body)
    meant = await post(collector, "/v1/events", body)

    assert (tried.status, meant.status, await collector.count("view_reports")) == (204, 204, 1)
    assert (tried.headers.get("X-Jalki-Want"), meant.headers.get("X-Jalki-Want")) == (None, "layout")


async def test_a_sender_known_to_the_fast_lane_may_try(collector):
    """A head that the lane has learnt does not make it store the next batch of the same sender, which is tried."""
    for _ in range(2):
        await post(collector, "/v1/events", encode(wire_batch()))

    tried = await post(collector, "/v1/events?d=1", encode(wire_batch()))

    assert tried.headers["X-Jalki-Debug"] == "1"
    assert await collector.count("view_reports") == 2


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        *(("", False), ("d=1", True), ("e=gzip&d=1", True), ("d=1&e=gzip", True), ("d=0", False), ("d", False)),
        *(("ad=1", False), ("d=11", False), ("x&d=1", True)),
    ],
)
def test_only_d_equal_to_one_tries(query, expected):
    """A batch is stored unless its address says plainly that it shall not be."""
    assert is_debug(query) is expected
