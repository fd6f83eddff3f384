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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

sys.path.insert(0, str(Path(__file__).parents[1]))

from malformed_bodies import BodiesRun, BodiesSeen
from malformed_requests import RequestsRun, RequestsSeen, Stored, recount
from mutations import Mutator
from postgres_switch import switched_postgres
from running_part import RunningPart, running_part
from runs import Figure, Plan, RunResult, Size

from collector.settings import describe
from collector.sites import NewSite, Site, add_site

NAME = "malformed input"
MUTANTS: tuple[str, ...] = ()
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


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many bodies in process and requests over HTTP; `with_waiting` also waits for the collector's deadlines."""

    bodies: int
    requests: int
    with_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Malformed:
    """What was seen; `alarms` are lines of the collector's log that no input may cause."""

    bodies: BodiesSeen
    requests: RequestsSeen
    stored: Stored
    alarms: tuple[str, ...]


async def run(plan: Plan) -> RunResult:
    """Make the run of a plan, as the table of targets wants it."""
    amounts = plan.pick(Amounts(20_000, 500), Amounts(100_000, 5_000), Amounts(1_000_000, 100_000, with_waiting=True))
    first, second = await plan.postgres.create_database(), await plan.postgres.create_database()
    seen = await send(first, second, amounts, plan)
    keep_faults(seen, plan.folder / "faults")
    return judge(seen, amounts)


async def send(bodies_url: str, requests_url: str, amounts: Amounts, plan: Plan) -> Malformed:
    """Send everything: the bodies to one database, the requests through a collector to the other."""
    samples = [path.read_bytes() for path in sorted(_CONTRACT.glob("view*.json"))]

    def mutator(number: int) -> Mutator:
        return Mutator(plan.seed * 1000 + number, samples, list(_SITES), int(time.time() * 1000))

    conn = await asyncpg.connect(bodies_url)
    try:
        bodies = await BodiesRun(conn, await _add_sites(conn), mutator(0)).run(amounts.bodies)
    finally:
        await conn.close()
    conn = await asyncpg.connect(requests_url)
    try:
        await _add_sites(conn)
        async with _collector(requests_url, plan) as part:
            sending = RequestsRun(part.port, mutator(1))
            requests = await sending.run(amounts.requests, with_waiting=amounts.with_waiting)
        return Malformed(bodies, requests, await recount(conn, requests), _alarms(part))
    finally:
        await conn.close()


def judge(seen: Malformed, amounts: Amounts) -> RunResult:
    """Return the figures beside their targets."""
    made = sum(seen.bodies.outcomes.values())
    raised = len(seen.bodies.faults)
    sent = sum(seen.requests.ways.values())
    return RunResult(
        NAME,
        acknowledged=len(seen.requests.acknowledged),
        lost=seen.stored.lost,
        phantom=seen.stored.phantom,
        duplicates=seen.stored.duplicates,
        figures=(
            Figure(
                "bodies in process", f"{made + raised:,}", f">= {amounts.bodies:,}", made + raised >= amounts.bodies
            ),
            Figure("raised, or refused by Postgres", f"{raised}", "0", raised == 0),
            Figure("accepted and read back", f"{seen.bodies.stored:,}", "> 0", seen.bodies.stored > 0),
            Figure("requests over HTTP", f"{sent:,}", f">= {amounts.requests:,}", sent >= amounts.requests),
            Figure("5xx, stuck or answered otherwise", f"{len(seen.requests.faults)}", "0", not seen.requests.faults),
            Figure("errors in the collector's log", f"{len(seen.alarms)}", "0", not seen.alarms),
        ),
    )


def keep_faults(seen: Malformed, folder: Path) -> None:
    """Write what was sent in each fault, and one file that tells of all."""
    faults = [*seen.bodies.faults, *seen.requests.faults]
    if not faults and not seen.alarms:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for number, (_, sent) in enumerate(faults[:_KEPT_FAULTS]):
        (folder / f"{number:03d}.bin").write_bytes(sent)
    lines = [f"{number:03d} {what}" for number, (what, _) in enumerate(faults)]
    (folder / "faults.txt").write_text("\n".join((*lines, *seen.alarms)) + "\n", errors="replace")


def _collector(url: str, plan: Plan) -> "contextlib.AbstractAsyncContextManager[RunningPart]":
    known = {name for name, _, _ in describe()}
    environ = {name: text for name, text in _ENVIRON.items() if name in known}
    environ["JALKI_DATA_DIR"] = str(plan.folder / "data")
    return running_part("collector", "--database-url", url, "--port", "0", environ=environ)


async def _add_sites(conn: "asyncpg.Connection[asyncpg.Record]") -> Sequence[Site]:
    now = datetime.datetime.now(datetime.UTC)
    return [await add_site(conn, new, key, now) for key, new in _SITES.items()]


def _alarms(part: RunningPart) -> tuple[str, ...]:
    return tuple(line for line in part.log if any(alarm in line for alarm in _ALARMS))


def _print_counts(title: str, counts: Mapping[str, int]) -> None:
    print(title)
    for name, count in Counter(counts).most_common():
        print(f"    {name:<40} {count:>10,}")


async def _run_alone(options: argparse.Namespace, folder: Path) -> RunResult:
    amounts = Amounts(options.bodies, options.requests, with_waiting=options.waiting)
    async with switched_postgres(folder / "postgres") as postgres:
        plan = Plan(Size.LONG, options.seed, folder, postgres)
        urls = await postgres.create_database(), await postgres.create_database()
        seen = await send(*urls, amounts, plan)
    keep_faults(seen, options.faults)
    _print_counts("bodies by outcome", seen.bodies.outcomes)
    print(f"stored and read back {seen.bodies.stored:,} batches with {seen.bodies.clicks:,} clicks")
    _print_counts("bodies by mutation", seen.bodies.ways)
    _print_counts("requests by answer", seen.requests.answers)
    _print_counts("requests by kind", seen.requests.ways)
    return judge(seen, amounts)


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
