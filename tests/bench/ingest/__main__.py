"""CPU of an event from the socket to the COMMIT: ours, its floor, and the obvious way, in one run.

    PYTHONPATH=tests python -m bench.ingest [--quick] [--json FILE] [--markdown]

Compared are, each in processes of its own on one fresh Postgres, and in turns:

- aiohttp floor: reads a body, decodes it as we do, answers 204, stores nothing;
- COPY of the same rows: what our collector has just stored, packed beforehand, in flushes of the same sizes; rows of
  facts only, neither ledger nor dictionaries;
- INSERT per request: `json`, checks, and one transaction of INSERTs for each request;
- jalki: the real `jalki collector`, with the limits of rates and connections raised, and nothing else changed.

An event is a click. CPU is user and system time of a variant's processes and of every process of Postgres. A round
measures all four one after the other; ratios are taken within a round, and the median of the rounds is shown with the
least and the greatest. Latency is that of open loops, counted from the instant at which a request was due. Each answer
is looked at and everything acknowledged is counted again in Postgres: a fault ends the run with 1, a time never does.
"""

import argparse
import asyncio
import sys
from pathlib import Path

import asyncpg
import msgspec

from .bodies import Headers
from .plan import Case, Plan, run_plan
from .stage import UNLIMITED, open_stage
from .table import describe_case, describe_machine, describe_markdown, describe_ratios, find_faults

_MAIN_CLICKS = 20
"""The size of batches that the targets are set for."""


async def run(plan: Plan) -> tuple[str, list[Case]]:
    """Return the machine and every case, printed as they come."""
    async with open_stage() as stage:
        conn = await asyncpg.connect(stage.url)
        machine = describe_machine(await conn.fetchval("show server_version"))
        await conn.close()
        print(machine)
        print("settings changed:", ", ".join(f"{name}={value}" for name, value in UNLIMITED.items()))
        print(
            f"{plan.connections} connections, headers of {plan.headers.value}, {plan.rounds} rounds of {plan.seconds} s"
        )
        print(flush=True)
        cases = await run_plan(stage, plan, lambda case: print(describe_case(case), "\n", flush=True))
    return machine, cases


def build_plan(options: argparse.Namespace) -> Plan:
    """Return what the options ask for."""
    clicks, workers = ((options.clicks,), (1,)) if options.quick else ((1, 5, _MAIN_CLICKS, 50), (1, 2))
    held, probe_s = ((options.clicks,), 2.0) if options.quick else ((1, _MAIN_CLICKS, 50), 4.0)
    return Plan(clicks, workers, options.rounds, options.seconds, options.connections, options.headers, held, probe_s)


def main() -> int:
    """Run, print, and return 1 where an answer was wrong or something acknowledged is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one size of batches and one process only")
    parser.add_argument("--clicks", type=int, default=_MAIN_CLICKS, help="size of the batches of --quick")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--connections", type=int, default=512)
    parser.add_argument("--headers", type=Headers, choices=list(Headers), default=Headers.CHROME)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--markdown", action="store_true", help="print the table of the README too")
    options = parser.parse_args()
    machine, cases = asyncio.run(run(build_plan(options)))
    if options.json:
        options.json.write_bytes(msgspec.json.encode({"machine": machine, "cases": cases}))
    if options.markdown:
        print(describe_markdown(cases), "\n")
    faults = find_faults(cases)
    print("\n".join(faults) or "every answer was a 204, and everything acknowledged is stored: LOST = 0")
    print(describe_ratios(next(case for case in cases if case.clicks == _MAIN_CLICKS and case.workers == 1)))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
