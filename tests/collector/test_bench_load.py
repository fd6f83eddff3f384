"""The load of the ingest benchmark is an oracle: what it says of a server, and of what the server stored, is true."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from bench.ingest.bodies import Headers, Order, batch_ids, build_requests
from bench.ingest.load import Job, Report
from bench.ingest.oracle import OURS, recount
from bench.ingest.stage import running_steered
from wire_batches import KEY

from collector.wire import Batch, decode_batch

ORDER = Order(KEY, clicks=3, count=200, seed=7)
ACCEPTED = b"HTTP/1.1 204 No Content\r\n\r\n"
EVERYTHING = 1_000_000

Send = Callable[..., Awaitable[Report]]


@pytest_asyncio.fixture(scope="module")
async def send() -> AsyncIterator[Send]:
    """Sends the order to a port of this machine, as the benchmark does."""
    async with running_steered("load") as load:

        async def send(port: int, rate: float = 0.0) -> Report:
            await load.prepare(Job(ORDER, "127.0.0.1", port, connections=8, seconds=30, rate=rate))
            return await load.run(Report, 60)

        yield send


@asynccontextmanager
async def answering(answer: Callable[[int], bytes]) -> AsyncIterator[int]:
    """Serve what `answer` gives to the n-th request, on a port of this machine; nothing ends the connection."""
    numbers = itertools.count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(1 << 20):
            assert head.startswith(b"POST "), head[:20]  # each request comes in one piece
            reply = answer(next(numbers))
            writer.write(reply)
            if not reply:
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("clicks", [1, 5, 20, 50])
@pytest.mark.parametrize("headers", list(Headers))
def test_each_request_is_a_batch_of_its_own(clicks, headers):
    """A request holds a valid batch with as many clicks as asked for, under the id that the order names."""
    order = Order(KEY, clicks, count=700, seed=3, headers=headers)

    batches = [decode_batch(request.partition(b"\r\n\r\n")[2]) for request in build_requests(order, "h:1")]

    assert all(isinstance(batch, Batch) and len(batch.clicks.elements) == clicks for batch in batches), batches[0]
    assert [batch.batch_id.encode() for batch in batches] == batch_ids(order)
    assert len({batch.batch_id for batch in batches}) == len(batches)


@pytest.mark.parametrize("rate", [0.0, 2_000.0])
async def test_a_collector_that_stores_everything_has_no_fault(start_collector, send, rate):
    """Closed and open loop: 200 batches go to our collector, are acknowledged, and are found again."""
    collector = await start_collector(address_rate=EVERYTHING, site_rate=EVERYTHING)

    report = await send(collector.client.port, rate)
    result = await recount(collector.pool, OURS, ORDER, report)

    assert (report.sent, report.acknowledged, report.unacknowledged, report.answers) == (200, 200, [], {})
    assert result.faults == []
    assert await collector.count("clicks") == 600


async def test_what_was_acknowledged_and_is_not_stored_is_lost(start_collector, send, monkeypatch):
    """A batch that vanished, clicks that vanished, and a batch from elsewhere are each counted."""
    monkeypatch.setattr("bench.ingest.oracle._PATIENCE_S", 0.2)
    collector = await start_collector(address_rate=EVERYTHING, site_rate=EVERYTHING)
    report = await send(collector.client.port)
    await collector.pool.execute("delete from ledger where batch_id = $1::text::uuid", batch_ids(ORDER)[5].decode())
    await collector.pool.execute(
        "update ledger set batch_id = gen_random_uuid() where batch_id = $1::text::uuid", batch_ids(ORDER)[9].decode()
    )
    await collector.pool.execute("delete from view_reports where ctid in (select ctid from view_reports limit 3)")

    result = await recount(collector.pool, OURS, ORDER, report)

    assert (result.lost, result.phantom, result.surplus_views, result.surplus_clicks) == (2, 1, -2, -6)


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200"),
        (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", "503"),
        (ACCEPTED + ACCEPTED, "more than an answer"),
        (b"nonsense\r\n\r\n", "not HTTP"),
        (b"", "broken"),
    ],
)
async def test_an_answer_that_is_no_204_is_counted(send, bad, name):
    """Three of 200 answers are wrong: they are counted under what they were, and their batches are not acknowledged."""
    async with answering(lambda n: bad if n in {20, 90, 150} else ACCEPTED) as port:
        report = await send(port)

    assert report.answers == {name: 3}
    assert (report.sent, report.acknowledged, len(report.unacknowledged)) == (200, 197, 3)
