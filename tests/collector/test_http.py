"""The collector's HTTP door: what is acknowledged, what is refused and why, and the script it serves."""

import asyncio
import datetime
import gzip
import socket
import statistics

import pytest
from wire_batches import NOW, NOW_MS, encode, wire_batch, wire_layout

from collector import sites
from collector.sites import NewSite, add_site
from collector.wire import DropReason

HOUR_MS = 3_600_000
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def assert_dropped(answer, reason: DropReason) -> None:
    assert answer.status == reason.status
    assert answer.headers["X-Jalki-Drop"] == reason
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert ("Retry-After" in answer.headers) == reason.is_temporary
    body = await answer.json()
    assert body["error"] == reason
    assert body["hint"]


async def test_204_means_that_another_connection_sees_the_rows(collector):
    """A batch that was acknowledged is committed: facts and ledger row are there for everybody."""
    answer = await collector.post(wire_batch())

    assert (answer.status, await answer.read()) == (204, b"")
    assert await collector.count("ledger") == 1
    assert await collector.count("view_reports") == 1
    assert await collector.count("clicks") == 2


async def test_an_answer_can_be_read_by_the_page(collector):
    """Every acknowledgement carries the headers that let a page of another origin read it."""
    answer = await collector.post(wire_batch(), Origin="https://shop.example")

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Jalki-Want" in answer.headers["Access-Control-Expose-Headers"]
    assert "X-Jalki-Drop" in answer.headers["Access-Control-Expose-Headers"]


async def test_a_preflight_is_answered(collector):
    """A page may post JSON: the preflight says so and may be remembered for a day."""
    answer = await collector.client.options("/v1/events", headers={"Origin": "https://shop.example"})

    assert answer.status == 204
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type, Content-Encoding"
    assert answer.headers["Access-Control-Max-Age"] == "86400"


@pytest.mark.parametrize("content_type", ["text/plain", "text/plain;charset=UTF-8", "application/json", "TEXT/PLAIN"])
async def test_both_types_of_body_are_read(collector, content_type):
    """A beacon's text/plain and a server's application/json are the same to the collector."""
    answer = await collector.post(wire_batch(), Content_Type=content_type)

    assert answer.status == 204


async def test_a_repeated_batch_is_acknowledged_and_stored_once(collector):
    """The second copy of a batch gets its 204 and adds nothing."""
    batch = wire_batch()

    answers = [await collector.post(batch) for _ in range(3)]

    assert [answer.status for answer in answers] == [204, 204, 204]
    assert await collector.count("view_reports") == 1
    assert await collector.count("clicks") == 2


async def test_copies_that_come_at_once_are_stored_once(collector):
    """Twenty copies of a batch, some of them within one flush, are all acknowledged and stored once."""
    batch = wire_batch()

    answers = await asyncio.gather(*(collector.post(batch) for _ in range(20)))

    assert {answer.status for answer in answers} == {204}
    assert await collector.count("ledger") == 1
    assert await collector.count("view_reports") == 1


async def test_malformed_body_is_refused(collector):
    """A body that is no batch is refused with 400, and what is wrong is named."""
    answer = await collector.post(wire_batch(g=[]))

    await assert_dropped(answer, DropReason.MALFORMED)
    assert "$.g" in (await answer.json())["hint"]


async def test_another_version_is_refused(collector):
    """A batch of another version of the format is told from a broken one."""
    await assert_dropped(await collector.post(wire_batch(v=2)), DropReason.UNSUPPORTED_VERSION)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "x-unknown", ""])
async def test_an_encoding_that_is_not_read_is_refused(collector, encoding):
    """Bodies come as they are or as one gzip; any other Content-Encoding is refused unread."""
    answer = await collector.post(gzip.compress(encode(wire_batch())), Content_Encoding=encoding)

    await assert_dropped(answer, DropReason.UNSUPPORTED_ENCODING)


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "application/octet-stream", "text/html"])
async def test_another_type_of_body_is_refused(collector, content_type):
    """What is neither text/plain nor application/json is refused."""
    await assert_dropped(await collector.post(wire_batch(), Content_Type=content_type), DropReason.UNSUPPORTED_TYPE)


async def test_a_body_over_the_limit_is_refused(collector):
    """A body larger than the limit is refused, whether it says so or comes in chunks without end."""

    async def endless():
        while True:
            yield b" " * 16_384

    declared = await collector.post(b" " * 65_537)
    chunked = await collector.client.post("/v1/events", data=endless(), headers={"Content-Type": "text/plain"})

    await assert_dropped(declared, DropReason.TOO_LARGE)
    await assert_dropped(chunked, DropReason.TOO_LARGE)


async def test_an_unknown_key_is_refused(collector):
    """A batch of a site that does not exist is refused."""
    collector.clock.turn(seconds=1)

    await assert_dropped(await collector.post(wire_batch(k="nosuchkey")), DropReason.UNKNOWN_SITE)


async def test_a_site_added_meanwhile_takes_its_first_batch(collector):
    """The first batch of a site added after the collector's start is stored, though it just looked for another."""
    collector.clock.turn(seconds=1)
    await collector.post(wire_batch(k="some_other"))
    async with collector.pool.acquire() as conn:
        await add_site(conn, NewSite(name="Later"), "laterKey_1", collector.clock.now)
    collector.clock.turn(seconds=0.9)

    answer = await collector.post(wire_batch(k="laterKey_1"))

    assert answer.status == 204


async def test_too_many_unknown_keys_are_asked_to_come_back(collector, monkeypatch):
    """An unknown key that finds no room in the queue is no final refusal: it may be that of a new site."""
    monkeypatch.setattr(sites, "_MAX_WAITING", 0)

    answer = await collector.post(wire_batch(k="laterKey_1"))

    await assert_dropped(answer, DropReason.OVERLOADED)
    assert answer.headers["Retry-After"] == "1"


async def test_only_allowed_origins_may_report(collector):
    """Where a site names its origins, pages of others are refused; a request without an origin passes."""
    async with collector.pool.acquire() as conn:
        await add_site(
            conn, NewSite(name="Shop", origins=("https://Shop.example:443/",)), "shopKey_01", collector.clock.now
        )
    collector.clock.turn(seconds=1)

    answers = [
        await collector.post(wire_batch(k="shopKey_01"), **headers)
        for headers in ({"Origin": "https://shop.example"}, {}, {"Origin": "http://shop.example"}, {"Origin": "null"},
                        {"Origin": "https://shop.example.evil.example"})
    ]  # fmt: skip

    assert [answer.status for answer in answers] == [204, 204, 403, 403, 403]
    await assert_dropped(answers[2], DropReason.ORIGIN_NOT_ALLOWED)


async def test_too_many_batches_of_a_site_are_refused(start_collector):
    """A site that sends faster than it may is refused with Retry-After until its bucket fills again."""
    collector = await start_collector(site_rate=1)

    statuses = [(await collector.post(wire_batch())).status for _ in range(5)]
    refused = await collector.post(wire_batch())
    collector.clock.turn(seconds=int(refused.headers["Retry-After"]))

    assert statuses == [204, 204, 204, 204, 429]
    await assert_dropped(refused, DropReason.RATE_LIMITED)
    assert (await collector.post(wire_batch())).status == 204


async def test_too_many_batches_of_an_address_are_refused(start_collector):
    """One address may not use up what others need; behind a trusted proxy the client's address counts."""
    collector = await start_collector(address_rate=1, trusted_proxies="127.0.0.0/8")

    statuses = [(await collector.post(wire_batch(), X_Forwarded_For="192.0.2.1")).status for _ in range(5)]
    other = await collector.post(wire_batch(), X_Forwarded_For="192.0.2.1, 192.0.2.2")

    assert statuses == [204, 204, 204, 204, 429]
    assert other.status == 204


async def test_a_view_that_began_too_long_ago_is_refused(collector):
    """The age of a view is judged by its sender's own clock, however wrong that is."""
    fresh = await collector.post(wire_batch(sent_ms=NOW_MS - 900 * HOUR_MS, age_ms=24 * HOUR_MS))
    old = await collector.post(wire_batch(age_ms=24 * HOUR_MS + 1))

    assert fresh.status == 204
    await assert_dropped(old, DropReason.TOO_OLD)


async def test_a_view_that_has_not_begun_is_refused(collector):
    """A view that begins after its batch was sent is refused; a clock set back by seconds is forgiven."""
    forgiven = await collector.post(wire_batch(age_ms=-60_000))
    refused = await collector.post(wire_batch(age_ms=-60_001))

    assert forgiven.status == 204
    await assert_dropped(refused, DropReason.FROM_FUTURE)
    assert await collector.pool.fetchval("select started_at from view_reports") == collector.clock.now


async def test_a_full_queue_is_told(start_collector):
    """When as many batches wait as may, the next one is answered 503 at once, and the waiting ones are stored."""
    collector = await start_collector(queue_max_batches=5, linger_ms=200)

    answers = await asyncio.gather(*(collector.post(wire_batch()) for _ in range(12)))

    assert statistics.multimode(answer.status for answer in answers) == [503]
    refused = [answer for answer in answers if answer.status == 503]
    await assert_dropped(refused[0], DropReason.OVERLOADED)
    assert await collector.count("ledger") == len(answers) - len(refused) == 5


async def test_a_slow_commit_is_answered_and_its_batch_stored_once(start_collector):
    """A batch whose commit takes too long gets 503; sent again it is acknowledged, and stored once."""
    collector = await start_collector(commit_timeout_s=1)
    batch = wire_batch()
    async with collector.pool.acquire() as conn, conn.transaction():
        await conn.execute("lock table ledger")
        slow = await collector.post(batch)

    again = await collector.post(batch)

    await assert_dropped(slow, DropReason.UNAVAILABLE)
    assert again.status == 204
    assert await collector.count("view_reports") == 1


async def test_a_body_that_ends_early_leaves_the_collector_well(collector):
    """A sender that hangs up in the middle of its body stores nothing and harms nobody."""
    with socket.create_connection(("127.0.0.1", collector.client.port)) as raw:
        raw.sendall(b'POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"v":1')

    assert (await collector.post(wire_batch())).status == 204
    assert await collector.count("ledger") == 1


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/events HT", b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-", HEALTH + b"GET /heal"]
)
async def test_a_request_that_never_ends_its_headers_is_hung_up_on(start_collector, sent):
    """A connection is closed when its next request has not begun in time, however many bytes trickle in."""
    collector = await start_collector(keepalive_s=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", collector.client.port)
    writer.write(sent)

    async def trickle() -> None:
        while sent:
            await asyncio.sleep(0.05)
            writer.write(b"x")

    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(10):
        answered = await reader.read()

    trickling.cancel()
    writer.close()
    assert answered.count(b"HTTP/1.1 200 OK") == sent.count(HEALTH)


async def test_a_layout_is_asked_for_until_it_comes(collector):
    """A page without a layout is asked for one, once a minute; once it has come, again when it has grown old."""

    async def wants(**changes: object) -> bool:
        answer = await collector.post(wire_batch(**changes))
        assert answer.status == 204
        return answer.headers.get("X-Jalki-Want") == "layout"

    first, at_once = await wants(), await wants()
    collector.clock.turn(seconds=60)
    minute_later = await wants()
    phone = await wants(g=[[390, 800, 390, 9000]])
    arriving, arrived = await wants(l=wire_layout()), await wants()
    collector.clock.turn(hours=24)
    old = await wants()

    assert [first, at_once, minute_later, phone, arriving, arrived, old] == [
        True,
        False,
        True,
        True,
        False,
        False,
        True,
    ]


async def test_a_restarted_collector_knows_the_layouts(start_collector):
    """Which layouts are stored is loaded at the start: nothing is asked for that is there."""
    first = await start_collector()
    await first.post(wire_batch(l=wire_layout()))
    await first.pool.execute("update sites set key = 'renamedKey'")
    second = await start_collector()

    answer = await second.post(wire_batch(k="renamedKey"))

    assert answer.status == 204
    assert "X-Jalki-Want" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_batches_are_only_posted(collector, method):
    """Another method is told which ones there are."""
    answer = await collector.client.request(method, "/v1/events")

    assert (answer.status, answer.headers["Allow"]) == (405, "POST, OPTIONS")
    assert method == "HEAD" or (await answer.json())["hint"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_else_lies_below_v1(collector, method):
    """An address that is not the collector's is not found, and the answer says what is."""
    answer = await collector.client.request(method, "/v1/nothing")

    assert answer.status == 404
    assert "/v1/events" in (await answer.json())["hint"]


async def test_health_and_readiness_are_told(collector):
    """A process that answers is healthy; with Postgres behind it, it is ready."""
    health, ready = await collector.client.get("/healthz"), await collector.client.get("/readyz")

    assert (health.status, ready.status) == (200, 200)


async def test_the_address_is_stored_nowhere(collector):
    """No column of any table holds the sender's address or user agent."""
    await collector.post(wire_batch(), User_Agent="Unusual-Agent/7")

    tables = await collector.pool.fetch("select tablename from pg_tables where schemaname = 'public'")
    dump = [
        str(row) for table in tables for row in await collector.pool.fetch(f'select t::text from "{table[0]}" as t')
    ]

    assert dump
    assert not any("127.0.0.1" in row or "Unusual-Agent" in row for row in dump)


async def test_one_visitor_has_one_key_a_day_at_each_site(collector):
    """Two views of one browser share a key on one day; another browser, another day and another site have others."""
    async with collector.pool.acquire() as conn:
        await add_site(conn, NewSite(name="Other"), "otherKey_1", collector.clock.now)
    collector.clock.turn(seconds=1)
    for headers in ({"User_Agent": "A"}, {"User_Agent": "A"}, {"User_Agent": "B"}):
        await collector.post(wire_batch(), **headers)
    await collector.post(wire_batch(k="otherKey_1"), User_Agent="A")
    collector.clock.turn(days=1)
    await collector.post(wire_batch(), User_Agent="A")

    keys = [row[0] for row in await collector.pool.fetch("select visitor_key from view_reports order by flush_id")]

    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


async def test_the_salts_around_today_are_there_before_they_are_needed(collector):
    """Postgres may be away when tomorrow's first batch comes: its salt is in memory since yesterday."""
    days = await collector.pool.fetch("select day from salts order by day")

    today = NOW.date()
    assert [row[0] - today for row in days] == [datetime.timedelta(days=n) for n in (-1, 0, 1)]
