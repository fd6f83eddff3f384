"""Every connection to Postgres killed again and again under load."""

import asyncio
import time

from notes import percentile
from runs import Figure, Plan, RunResult
from stage import Stage, open_stage

NAME = "every backend connection killed"
MUTANTS = ("forgets_failed_flushes",)
_EVERY_S = 0.5
_LOOKED_EVERY_S = 0.02
_REOPENED_S = 10.0
"""A round in which no connection was opened for so long is a failure."""
_HEALED_S = 5.0

_KILL = """\
select count(pg_terminate_backend(pid))
from pg_stat_activity
where datname = $1
  and pid <> pg_backend_pid()
"""


async def run(plan: Plan) -> RunResult:
    """Kill every backend of the database each half second, and see when answers come again."""
    async with open_stage(plan) as stage:
        await stage.start_collector()
        await stage.oracle.begin(stage.wave(think_s=plan.pick(0.02, 0.002, 0.002)))
        await asyncio.sleep(0.5)
        rounds, kills = await _kill(stage, rounds=plan.pick(4, 40, 120))
        await asyncio.sleep(_HEALED_S / plan.pick(5, 1, 1))
        await stage.oracle.end()
        notes = stage.oracle.notes()
        back_s = percentile([notes.back_after(moment_s) for moment_s in rounds], 1)
        stopped_s = notes.back_after(rounds[-1])
        return await stage.result(
            NAME,
            (
                Figure("connections killed", f"{kills}", ">= 1 a round", kills >= len(rounds)),
                Figure("acknowledging after a kill, longest", f"{back_s:.2f} s", "-", ok=True),
                Figure("healed", f"{stopped_s:.2f} s", f"<= {_HEALED_S:.0f} s", stopped_s <= _HEALED_S, is_timed=True),
            ),
        )


async def _kill(stage: Stage, rounds: int) -> tuple[list[float], int]:
    """Return the moments of the kills, and how many connections died; a round waits until there is one to kill."""
    moments: list[float] = []
    kills = 0
    database = stage.url.rpartition("@/")[2].partition("?")[0]
    async with stage.plan.postgres.control() as control:
        for _ in range(rounds):
            async with asyncio.timeout(_REOPENED_S):
                while not (killed := await control.fetchval(_KILL, database)):  # noqa: ASYNC110  # Postgres sets no event
                    await asyncio.sleep(_LOOKED_EVERY_S)
            moments.append(time.monotonic())
            kills += killed
            await asyncio.sleep(_EVERY_S)
    return moments, kills
