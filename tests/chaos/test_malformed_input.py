"""Malformed input at a length that fits `make test`; `make chaos-long` makes a million bodies and 100,000 requests."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import malformed
import msgspec
import pytest
import raw_line
from malformed import Amounts, send_bodies, send_requests
from malformed_requests import RequestsSeen, recount, salt_day
from random_batches import build_batch
from raw_line import End, ask
from raw_requests import RawRequest, build_request, plain

from collector.wire import Batch, decode_batch

BODIES, REQUESTS, SEED = 20_000, 700, 7


async def test_mutated_bodies_are_stored_or_refused(postgres_url: str) -> None:
    """Nothing is raised, every refusal has its reason, and what is accepted Postgres takes and gives back."""
    seen = await send_bodies(postgres_url, BODIES, SEED)

    assert seen.faults == []
    assert seen.outcomes.total() == BODIES
    assert seen.stored > BODIES / 20


async def test_mutated_requests_are_answered_and_their_neighbours_stored(postgres_url: str, open_folder: Path) -> None:
    """No answer is 5xx, none is missing, none differs from what the decoder says; each valid neighbour is stored."""
    answered = await send_requests(postgres_url, Amounts(0, REQUESTS), SEED, open_folder)

    assert answered.seen.faults == []
    assert (answered.stored.lost, answered.stored.phantom, answered.stored.duplicates) == (0, 0, 0)
    assert len(answered.seen.acknowledged) == REQUESTS
    assert answered.alarms == []


async def test_a_collector_that_lets_a_nul_through_is_noticed(postgres_url: str, open_folder: Path) -> None:
    """The run sees a fault that is put into the decoder."""
    answered = await send_requests(postgres_url, Amounts(0, 350), SEED, open_folder, "lets_nul_through")

    assert "lets_nul_through" in malformed.MUTANTS
    assert answered.seen.faults != []


@pytest.mark.parametrize(
    ("fault", "told"),
    [("takes_every_copy_for_anothers", "was sent 1 times"), ("leaves_long_pipelines", "neither answered nor closed")],
)
async def test_a_batch_in_two_places_and_a_stalled_pipeline_are_noticed(
    postgres_url: str, open_folder: Path, monkeypatch: pytest.MonkeyPatch, fault: str, told: str
) -> None:
    """The run sees copies of one request that are stored under several shard keys, and a line that is never read on."""
    monkeypatch.setattr(raw_line, "DEADLINE_S", 3.0)

    answered = await send_requests(postgres_url, Amounts(0, 1_000), SEED, open_folder, fault)

    faults = [*(what for what, _ in answered.seen.faults), *answered.stored.told]
    assert any(told in what for what in faults)
    assert (answered.stored.duplicates > 0) == (fault == "takes_every_copy_for_anothers")


async def test_one_id_from_many_senders_is_no_duplicate(postgres_url: str, open_folder: Path) -> None:
    """A batch may be in as many buckets as requests brought it; one more, or a report too few, is told."""
    wire = build_batch(random.Random(SEED), "bucketKey_2")
    wire["w"].pop("u", None)  # type: ignore[attr-defined]  # else every sender is the same visitor
    body, batch = msgspec.json.encode(wire), str(wire["b"])
    conn = await asyncpg.connect(postgres_url)
    try:
        async with malformed.open_collector(conn, postgres_url, open_folder) as part:
            for number in range(8):
                reply = await ask(part.port, plain(body), f"127.0.{1 + number}.1")
                assert reply.statuses == (204,)
        entries = await conn.fetchval("select count(*) from ledger")

        by_eight = await recount(conn, RequestsSeen(sent=Counter({batch: 8})))
        by_one = await recount(conn, RequestsSeen(sent=Counter({batch: 1})))
        await conn.execute("delete from view_reports where shard_key = (select min(shard_key) from ledger)")
        torn = await recount(conn, RequestsSeen(sent=Counter({batch: 8})))
    finally:
        await conn.close()

    assert entries > 1
    assert (by_eight.duplicates, by_eight.told) == (0, ())
    assert (by_one.duplicates, len(by_one.told)) == (entries - 1, 1)
    assert torn.duplicates == 1


def test_the_salt_changes_where_the_day_of_the_site_with_buckets_ends() -> None:
    """A view that began an hour before its receipt gets another salt from an hour after midnight of Kiritimati on."""
    wire = build_batch(random.Random(SEED), "bucketKey_2")
    wire["w"]["s"] = int(str(wire["t"])) - 3_600_000  # type: ignore[index]
    batch = decode_batch(msgspec.json.encode(wire))
    assert isinstance(batch, Batch)
    hour_after_ms = 1_795_345_200_000  # 2026-11-22 11:00 UTC, 2026-11-23 01:00 in Kiritimati

    assert salt_day(batch, hour_after_ms) == salt_day(batch, hour_after_ms - 1) + 1


async def test_only_a_line_without_any_answer_for_long_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline may take longer in all than the deadline, while each answer comes within it; silence may not."""
    monkeypatch.setattr(raw_line, "DEADLINE_S", 1.5)
    pipeline = RawRequest("pipeline", build_request(b"{}") * 10, answers=10)

    async with _slow_server(answers=10) as port:
        slow = await ask(port, pipeline)
    async with _slow_server(answers=3) as port:
        silent = await ask(port, pipeline)

    assert (slow.end, slow.statuses) == (End.ANSWERED, (204,) * 10)
    assert (silent.end, silent.statuses) == (End.STUCK, (204,) * 3)


@asynccontextmanager
async def _slow_server(answers: int) -> AsyncIterator[int]:
    """Yield the port of a server that gives so many answers, one in 0.2 s, and then no more."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(answers):
            await asyncio.sleep(0.2)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
