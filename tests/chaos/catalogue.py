"""The runs by name, and how one of them is made with the product as it is or with a fault in it."""

import dataclasses
from typing import Protocol

import ack_order
import backend_kills
import disk_full
import group_kill
import kill_nine
import malformed
import outage
import overload
import retry_storm
import slow_clients
import torn_spool
from runs import Plan, RunResult


class Run(Protocol):
    """What a module of a run has."""

    NAME: str
    MUTANTS: tuple[str, ...]

    async def run(self, plan: Plan) -> RunResult:
        """Make the run."""
        ...


RUNS: dict[str, Run] = {
    "kill": kill_nine,
    "group": group_kill,
    "order": ack_order,
    "outage": outage,
    "disk": disk_full,
    "torn": torn_spool,
    "backends": backend_kills,
    "overload": overload,
    "slow": slow_clients,
    "malformed": malformed,
    "storm": retry_storm,
}
"""The runs in the order of the table of targets."""


async def make(run: Run, plan: Plan) -> RunResult:
    """Make a run in its own folder."""
    plan.folder.mkdir(mode=0o755, parents=True)
    return await run.run(plan)


async def make_mutant(run: Run, plan: Plan, mutant: str) -> RunResult:
    """Make a run with a fault in the product."""
    return await make(run, dataclasses.replace(plan, mutant=mutant, folder=plan.folder / mutant))
