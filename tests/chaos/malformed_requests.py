"""Mutated requests against a real collector, each beside a valid batch, and the recount of what had to be stored.

Every whole request is answered with 2xx or 4xx; every other one is answered so or its connection is closed; nothing
hangs. A valid neighbour gets 204 and is stored once, with all of its clicks. What a mutated body gets is what the
decoder says of it in this process.

A mutation can give two bodies one batch id: a reversed id of the same sample, say. Two senders of a site with buckets
may then be stored in two of them, as may two sites: an id may be in the ledger as often as requests brought it. The
copies in one pipeline are of one request here, and are stored once; of two where a day ends in between, and with it
the salt that chooses the bucket.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
import msgspec
from http_line import HttpLine
from mutations import Mutator
from raw_line import End, Reply, ask
from raw_requests import Bodies, RawRequest, draw_request, plain

from collector.admission import started_ms
from collector.bodies import decompress
from collector.wire import Batch, Drop, DropReason, decode_batch

SENDERS = 32
_MAX_BODY = 65_536
_PLAIN_SHARE = 0.6
_WAITING = 40
"""Requests that are never completed and must be ended by the collector's own deadlines; all of them at once."""
_NEIGHBOUR_TIMEOUT_S = 20.0
_UTC_14_MS, _DAY_MS = 50_400_000, 86_400_000
_STORED = """\
select replace(batch_id::text, '-', '') as batch, array_agg(shard_key order by shard_key) as keys
from ledger
group by batch_id
"""
_UNEVEN = """\
select shard_key, flush_id, coalesce(entries, 0) as entries, coalesce(reports, 0) as reports
from (select shard_key, flush_id, count(*) as entries from ledger group by shard_key, flush_id) as entered
full join (select shard_key, flush_id, count(*) as reports from view_reports group by shard_key, flush_id) as reported
using (shard_key, flush_id)
where entries is distinct from reports
"""
_REPORTS = "select view_id, count(*) as reports from view_reports group by view_id"
_CLICKS = "select view_id, count(*) as clicks from clicks group by view_id"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A valid batch: its ids and how many clicks it brings."""

    batch_id: str
    view_id: int
    clicks: int


@dataclass(slots=True)
class RequestsSeen:
    """What came back; a fault is told with the bytes that were sent."""

    answers: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[str, Neighbour] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    """Every batch id that was sent in a body which this process decodes, and how many requests brought it."""
    faults: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stored:
    """The recount, in batches."""

    lost: int
    phantom: int
    duplicates: int
    told: tuple[str, ...] = ()
    """Of each phantom, each batch that is in the ledger too often, each flush with too many or few reports: what."""


class RequestsRun:
    """Sends to the collector on a port of this machine."""

    def __init__(self, port: int, mutator: Mutator) -> None:
        self.seen = RequestsSeen()
        self._port = port
        self._mutator = mutator
        self._left = 0

    async def run(self, requests: int, *, with_waiting: bool) -> RequestsSeen:
        """Send so many mutated requests and as many neighbours."""
        self._left = requests
        async with asyncio.TaskGroup() as group:
            for number in range(SENDERS):
                group.create_task(self._keep_sending(f"127.0.{1 + number}.1"))
            for _ in range(_WAITING if with_waiting else 0):
                group.create_task(self._leave_unfinished())
        return self.seen

    async def _keep_sending(self, source: str) -> None:
        line = HttpLine("127.0.0.1", self._port, _NEIGHBOUR_TIMEOUT_S)
        try:
            while self._left > 0:
                self._left -= 1
                await asyncio.gather(self._send_mutated(source), self._send_neighbour(line))
        finally:
            line.close()

    async def _send_mutated(self, source: str) -> None:
        made, valid = self._mutator.make(), self._mutator.make_valid()
        mutated = made.body
        is_plain = made.is_by_hand or self._mutator.rng.random() < _PLAIN_SHARE
        request = plain(mutated) if is_plain else draw_request(self._mutator.rng, Bodies(mutated, valid))
        verdict = decode_batch(mutated)
        batches = [one for one in (verdict, _unpacked(mutated), decode_batch(valid)) if isinstance(one, Batch)]
        self._note_sent(batches)
        sent_ms = _now_ms()
        reply = await ask(self._port, request, source)
        self._note_sent([one for one in batches if salt_day(one, sent_ms) != salt_day(one, _now_ms())])
        self._judge(request, reply)
        if is_plain:
            self._compare(request, reply, mutated, verdict)

    async def _send_neighbour(self, line: HttpLine) -> None:
        body = self._mutator.make_valid()
        neighbour = _neighbour(body)
        self.seen.sent[neighbour.batch_id] += 1
        try:
            answer = await line.post("/v1/events", body)
        except (OSError, TimeoutError) as error:
            self.seen.faults.append((f"a valid neighbour got no answer: {error!r}", body))
            return
        if answer.status != 204:
            self.seen.faults.append((f"a valid neighbour got {answer.status} {answer.reason}", body))
            return
        self.seen.acknowledged[neighbour.batch_id] = neighbour

    async def _leave_unfinished(self) -> None:
        """Begin a request and fall silent: the collector must end it by itself."""
        valid = self._mutator.make_valid()
        self._note_sent([one for one in (decode_batch(valid),) if isinstance(one, Batch)])
        whole = plain(valid).sent
        cut = RawRequest("unfinished", whole[: self._mutator.rng.randrange(1, len(whole))], is_whole=False)
        self._judge(cut, await ask(self._port, cut, waits=True))

    def _note_sent(self, batches: Sequence[Batch]) -> None:
        self.seen.sent.update(batch.batch_id for batch in batches)

    def _judge(self, request: RawRequest, reply: Reply) -> None:
        self.seen.ways[request.way] += 1
        said = [f"{status} {reason}".strip() for status, reason in zip(reply.statuses, reply.reasons, strict=True)]
        self.seen.answers.update(said or [reply.end.value])
        is_large = len(request.sent) > _MAX_BODY
        if any(status >= 500 for status in reply.statuses):
            self._fault(f"{request.way}: answered {said}", request)
        if reply.end is End.STUCK:
            self._fault(f"{request.way}: neither answered nor closed", request)
        # Who sends more than is read may find the line closed before the answer.
        elif request.is_whole and reply.end is not End.ANSWERED and not is_large:
            self._fault(f"{request.way}: closed after {said}, {request.answers} answers were owed", request)

    def _compare(self, request: RawRequest, reply: Reply, body: bytes, verdict: Batch | Drop) -> None:
        """The answer is what the decoder says here, or what site and age of a whole batch say."""
        if len(body) > _MAX_BODY or not reply.statuses:
            return
        answer = reply.statuses[0], reply.reasons[0]
        if isinstance(verdict, Drop):
            expected = {(verdict.reason.status, verdict.reason.value)}
        else:
            later = (DropReason.TOO_OLD, DropReason.FROM_FUTURE, DropReason.UNKNOWN_SITE)
            expected = {(204, "")} | {(reason.status, reason.value) for reason in later}
        if answer not in expected:
            self._fault(f"answered {answer}, expected {expected}", request)

    def _fault(self, what: str, request: RawRequest) -> None:
        self.seen.faults.append((what, request.sent))


async def recount(conn: "asyncpg.Connection[asyncpg.Record]", seen: RequestsSeen) -> Stored:
    """Return how the database differs from what was sent and acknowledged."""
    stored: dict[str, list[int]] = {row["batch"]: row["keys"] for row in await conn.fetch(_STORED)}
    uneven = await conn.fetch(_UNEVEN)
    reports = {row["view_id"]: row["reports"] for row in await conn.fetch(_REPORTS)}
    clicks = {row["view_id"]: row["clicks"] for row in await conn.fetch(_CLICKS)}

    def most(batch: str) -> int:
        return max(1, seen.sent[batch])

    phantoms = stored.keys() - seen.sent.keys()
    often = {batch: keys for batch, keys in stored.items() if len(keys) > most(batch)}
    found = [(one, reports.get(one.view_id, 0), clicks.get(one.view_id, 0)) for one in seen.acknowledged.values()]
    return Stored(
        lost=sum(one.batch_id not in stored or n < 1 or clicked < one.clicks for one, n, clicked in found),
        phantom=len(phantoms),
        duplicates=sum(n > 1 or clicked > one.clicks for one, n, clicked in found)
        + sum(len(keys) - most(batch) for batch, keys in often.items())
        + sum(abs(row["entries"] - row["reports"]) for row in uneven),
        told=(
            *(f"batch {batch} was never sent, stored under {stored[batch]}" for batch in phantoms),
            *(f"batch {batch} was sent {seen.sent[batch]} times, stored under {keys}" for batch, keys in often.items()),
            *(f"flush {row['flush_id']}: {dict(row)}" for row in uneven),
        ),
    )


def _unpacked(body: bytes) -> Batch | Drop:
    """Return what a body is that a mutation has compressed, where a header says so."""
    unpacked = decompress(body, _MAX_BODY)
    return unpacked if isinstance(unpacked, Drop) else decode_batch(unpacked)


def salt_day(batch: Batch, now_ms: int) -> int:
    """Return the number of the day, where the site with buckets is (UTC+14), whose salt a batch gets that comes now."""
    return (started_ms(batch, now_ms) + _UTC_14_MS) // _DAY_MS


def _now_ms() -> int:
    return int(time.time() * 1000)


def _neighbour(body: bytes) -> Neighbour:
    wire = msgspec.json.decode(body)
    view_id = int.from_bytes(bytes.fromhex(wire["w"]["i"]), "big", signed=True)
    return Neighbour(wire["b"], view_id, len(wire["c"]["t"]) if "c" in wire else 0)
