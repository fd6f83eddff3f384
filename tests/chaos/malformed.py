"""Malformed input: mutated bodies in process, mutated requests over HTTP, and valid neighbours beside each.

    python tests/chaos/malformed.py --bodies 1000000 --requests 100000 --seed 1

prints what became of them, and keeps the bytes of each fault in `--faults DIR`. Ends with 1 where there was a fault.
"""

import argparse
import asyncio
import contextlib
import datetime
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

sys.path.insert(0, str(Path(__file__).parents[1]))

import malformed_faults
from malformed_bodies import BodiesRun, BodiesSeen
from malformed_requests import RequestsRun, RequestsSeen, Stored, recount
from mutations import Mutator, Samples
from postgres_switch import switched_postgres
from running_part import JALKI, RunningPart, running_part
from runs import Figure, Plan, RunResult

from collector.settings import describe
from collector.sites import NewSite, Site, add_site
from heatmap.rollup import advance

NAME = "malformed input"
MUTANTS = tuple(malformed_faults.FAULTS)
_CONTRACT = Path(__file__).parents[1] / "contract"
_SITES = {
    "demoKey_01": NewSite("Sample"),
    "bucketKey_2": NewSite("Giant", time_zone="Pacific/Kiritimati", buckets=16),
}
_ENVIRON = {
    "JALKI_SITE_RATE": "1000000",
    "JALKI_ADDRESS_RATE": "1000000",
    "JALKI_VISITOR_RATE": "1000000",
    "JALKI_MAX_CONNECTIONS": "20000",
    "JALKI_MAX_CONNECTIONS_PER_ADDRESS": "20000",
    "JALKI_SPOOL_AFTER_MS": "15000",  # a busy machine is no outage
}
_ALARMS = ("Traceback", " ERROR ", "CRITICAL")
_KEPT_FAULTS = 50
_ROLLED_UP_BODIES = 100_000
"""More are not rolled up: that takes longer than storing them."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many bodies in process and requests over HTTP; `with_waiting` also waits for the collector's deadlines."""

    bodies: int
    requests: int
    with_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back over HTTP, what was stored, and what the collector logged."""

    seen: RequestsSeen
    stored: Stored
    log: tuple[str, ...]

    @property
    def alarms(self) -> list[str]:
        """The lines of the log that no input may cause."""
        return [line for line in self.log if any(alarm in line for alarm in _ALARMS)]


async def run(plan: Plan) -> RunResult:
    """Make the run of a plan, as the table of targets wants it."""
    amounts = plan.pick(Amounts(20_000, 700), Amounts(100_000, 5_000), Amounts(1_000_000, 100_000, with_waiting=True))
    bodies_url, requests_url = await plan.postgres.create_database(), await plan.postgres.create_database()
    bodies = await send_bodies(bodies_url, amounts.bodies, plan.seed)
    requests = await send_requests(requests_url, amounts, plan.seed, plan.folder, plan.mutant)
    keep_faults(bodies, requests, plan.folder / "faults")
    return judge(bodies, requests, amounts)


async def send_bodies(url: str, bodies: int, seed: int) -> BodiesSeen:
    """Decode and store so many mutated bodies in an empty database."""
    conn = await asyncpg.connect(url)
    try:
        seen = await BodiesRun(conn, await _add_sites(conn), _open_mutator(2 * seed)).run(bodies)
        if bodies <= _ROLLED_UP_BODIES:
            await _roll_up(conn, seen)
        return seen
    finally:
        await conn.close()


async def send_requests(url: str, amounts: Amounts, seed: int, folder: Path, fault: str = "") -> Answered:
    """Send so many mutated requests, and as many neighbours, to a collector of their own on an empty database."""
    conn = await asyncpg.connect(url)
    try:
        async with open_collector(conn, url, folder, fault) as part:
            run = RequestsRun(part.port, _open_mutator(2 * seed + 1))
            seen = await run.run(amounts.requests, with_waiting=amounts.with_waiting)
        return Answered(seen, await recount(conn, seen), tuple(part.log))
    finally:
        await conn.close()


async def _roll_up(conn: "asyncpg.Connection[asyncpg.Record]", seen: BodiesSeen) -> None:
    """Roll up what was stored: no accepted value may stop the worker, and every click must reach a map."""
    for row in await conn.fetch("select distinct shard_key from ledger"):
        try:
            while (await advance(conn, row["shard_key"], datetime.datetime.now(datetime.UTC))).flushes:
                pass
        except Exception as error:  # noqa: BLE001  # whatever is raised is what this run looks for
            seen.faults.append((f"the rollup raised {error!r:.200}", b""))
    on_map = int(await conn.fetchval("select coalesce(sum(clicks), 0) from rollup_clicks"))
    if on_map != seen.clicks:
        seen.faults.append((f"{seen.clicks} clicks were stored and {on_map} are on the map", b""))


def judge(bodies: BodiesSeen, requests: Answered, amounts: Amounts) -> RunResult:
    """Return the figures beside their targets."""
    raised, stored = len(bodies.faults), requests.stored
    made = sum(bodies.outcomes.values()) + raised
    sent, faults, alarms = sum(requests.seen.ways.values()), len(requests.seen.faults), len(requests.alarms)
    return RunResult(
        NAME,
        acknowledged=len(requests.seen.acknowledged),
        lost=stored.lost,
        phantom=stored.phantom,
        duplicates=stored.duplicates,
        figures=(
            Figure("bodies in process", f"{made:,}", f">= {amounts.bodies:,}", made >= amounts.bodies),
            Figure("raised, or refused by Postgres or the rollup", f"{raised}", "0", raised == 0),
            Figure("accepted and read back", f"{bodies.stored:,}", "> 0", bodies.stored > 0),
            Figure("requests over HTTP", f"{sent:,}", f">= {amounts.requests:,}", sent >= amounts.requests),
            Figure("5xx, stuck, or answered otherwise", f"{faults}", "0", faults == 0),
            Figure("errors in the collector's log", f"{alarms}", "0", alarms == 0),
        ),
    )


def keep_faults(bodies: BodiesSeen, requests: Answered, folder: Path) -> None:
    """Write what was sent in each fault, one file that tells of all, and the log where it has errors."""
    faults = [*bodies.faults, *requests.seen.faults, *((what, b"") for what in requests.stored.told)]
    if not faults and not requests.alarms:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for number, (_, sent) in enumerate(faults[:_KEPT_FAULTS]):
        (folder / f"{number:03d}.bin").write_bytes(sent)
    lines = [f"{number:03d} {what}" for number, (what, _) in enumerate(faults)]
    (folder / "faults.txt").write_text("\n".join((*lines, *requests.log)) + "\n", errors="replace")


@contextlib.asynccontextmanager
async def open_collector(
    conn: "asyncpg.Connection[asyncpg.Record]", url: str, folder: Path, fault: str = ""
) -> AsyncIterator[RunningPart]:
    """Yield a collector on the database that `conn` is of, with the sites of this run; `fault` is put into it."""
    await _add_sites(conn)
    known = {name for name, _, _ in describe()}
    environ = {name: text for name, text in _ENVIRON.items() if name in known}
    environ["JALKI_DATA_DIR"] = str(folder / "data")
    program = (str(Path(malformed_faults.__file__)), fault) if fault else JALKI
    async with running_part(
        "collector", "--database-url", url, "--port", "0", environ=environ, program=program
    ) as part:
        yield part


async def _add_sites(conn: "asyncpg.Connection[asyncpg.Record]") -> Sequence[Site]:
    now = datetime.datetime.now(datetime.UTC)
    return [await add_site(conn, new, key, now) for key, new in _SITES.items()]


def _open_mutator(seed: int) -> Mutator:
    good = [path.read_bytes() for path in sorted(_CONTRACT.glob("view*.json"))]
    bad = [path.read_bytes() for path in sorted((_CONTRACT / "bad").iterdir())]
    return Mutator(seed, Samples(good, bad), list(_SITES), int(time.time() * 1000))


def _print_counts(title: str, counts: Mapping[str, int]) -> None:
    print(title)
    for name, count in Counter(counts).most_common():
        print(f"    {name:<40} {count:>10,}")


async def _run_alone(options: argparse.Namespace, folder: Path) -> RunResult:
    amounts = Amounts(options.bodies, options.requests, with_waiting=options.waiting)
    async with switched_postgres(folder / "postgres") as postgres:
        bodies = await send_bodies(await postgres.create_database(), amounts.bodies, options.seed)
        _print_counts("bodies by outcome", bodies.outcomes)
        print(f"stored and read back {bodies.stored:,} batches with {bodies.clicks:,} clicks")
        _print_counts("bodies by mutation", bodies.ways)
        requests = await send_requests(await postgres.create_database(), amounts, options.seed, folder)
    keep_faults(bodies, requests, options.faults)
    _print_counts("requests by answer", requests.seen.answers)
    _print_counts("requests by kind", requests.seen.ways)
    return judge(bodies, requests, amounts)


def main() -> int:
    """Make the run asked for on a Postgres of its own, and print its summary."""
    parser = argparse.ArgumentParser(prog="malformed", description=__doc__)
    parser.add_argument("--bodies", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--waiting", action="store_true", help="also wait for the deadlines of unfinished requests")
    parser.add_argument("--faults", type=Path, default=Path("faults"), help="folder for the bytes of each fault")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jalki-malformed-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        result = asyncio.run(_run_alone(options, Path(folder)))
    print(f"ACKED {result.acknowledged:,}  LOST {result.lost}  PHANTOM {result.phantom}  DUP {result.duplicates}")
    for figure in result.figures:
        print(f"{figure.what:<40} {figure.value:>12}   target {figure.target:<14} {'ok' if figure.ok else 'MISSED'}")
    return 0 if result.is_good(with_times=True) else 1


if __name__ == "__main__":
    sys.exit(main())
