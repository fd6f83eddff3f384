"""Kill −9 of the collector under load, again and again; and of everything at once, Postgres included."""

import asyncio
import random
import time

from notes import Notes, percentile
from runs import Figure, Plan, RunResult
from stage import Stage, open_stage

NAME = "kill -9 of the collector"
MUTANTS = ("answers_before_commit",)
_TRAFFIC_S = (0.3, 1.5)
_QUICK_TRAFFIC_S = (0.2, 0.5)
_BACK_S = 2.0
_AWAY_S = 0.5  # longer than the collector waits for Postgres, so that the spool holds batches when the kill comes
_MANY_EVENTS = 1_000_000


async def run(plan: Plan) -> RunResult:
    """Kill and start the collector on one database; in every fourth round while Postgres does not answer."""
    rng = random.Random(plan.seed)
    killed: list[float] = []
    async with open_stage(plan) as stage:
        collector = await stage.start_collector()
        await stage.oracle.begin(
            stage.wave(clicks=plan.pick((0, 5), (0, 20), (0, 40)), think_s=plan.pick(0.02, 0.004, 0.004))
        )
        for number in range(plan.pick(2, 10, 300)):
            await _send_a_while(stage, rng, is_away=stage.can_spool and number % 4 == 1)
            killed.append(time.monotonic())
            await collector.kill()
            plan.postgres.thaw()
            collector = await stage.start_collector()
        await asyncio.sleep(0.5)
        await stage.oracle.end()
        return await stage.result(NAME, _figures(plan, stage.oracle.notes(), killed))


async def _send_a_while(stage: Stage, rng: random.Random, *, is_away: bool) -> None:
    traffic_s = stage.plan.pick(_QUICK_TRAFFIC_S, _TRAFFIC_S, _TRAFFIC_S)
    await asyncio.sleep(rng.uniform(*traffic_s))
    if is_away:
        stage.plan.postgres.freeze()
        await asyncio.sleep(stage.spool_after_s + _AWAY_S + rng.uniform(*traffic_s))


def _figures(plan: Plan, notes: Notes, killed: list[float]) -> tuple[Figure, ...]:
    back_s = percentile([notes.back_after(moment_s) for moment_s in killed], 0.95)
    enough = plan.pick(1, 1, _MANY_EVENTS)
    return (
        Figure("kills", f"{len(killed)}", "-", ok=True),
        Figure("events acknowledged", f"{notes.events:,}", f">= {enough:,}", notes.events >= enough),
        Figure("back, p95", f"{back_s:.2f} s", f"<= {_BACK_S:.0f} s", back_s <= _BACK_S, is_timed=True),
    )
