"""The runs by name, and how one of them is made with the product as it is or with a fault in it."""

import dataclasses
from typing import Protocol

import ack_order
import backend_kills
import kill_nine
import outage
import overload
import retry_storm
import slow_clients
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
    "order": ack_order,
    "outage": outage,
    "backends": backend_kills,
    "overload": overload,
    "slow": slow_clients,
    "storm": retry_storm,
}
"""The runs in the order of the table of targets."""


async def make(run: Run, plan: Plan) -> RunResult:
    """Make a run in its own folder."""
    plan.folder.mkdir(parents=True)
    plan.folder.chmod(0o755)
    return await run.run(plan)


async def make_mutant(run: Run, plan: Plan, mutant: str) -> bool | None:
    """Return whether the run notices the fault; None where the run cannot be made on this machine."""
    faulty = dataclasses.replace(plan, mutant=mutant, folder=plan.folder / mutant)
    result = await make(run, faulty)
    return None if result.skipped else not result.is_good(with_times=False)
