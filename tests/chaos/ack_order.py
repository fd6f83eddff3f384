"""Acknowledgement order under strace: no 204 may leave before the COMMIT or the fdatasync that its batch needs."""

import asyncio
import contextlib
import shutil
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

from oracle import FLUSH_S
from runs import Figure, Plan, RunResult
from stage import CollectorProcess, Stage, open_stage
from system_calls import Order, judge_order

NAME = "acknowledgement order under strace"
MUTANTS = ("answers_before_commit", "skips_the_sync", "acknowledges_before_the_disk")
_CALLS = "read,readv,recvfrom,recvmsg,write,writev,pwrite64,pwritev,sendto,sendmsg,fdatasync,fsync"
_MAX_STRING = 1 << 20  # bytes of one call that strace shows; a flush is smaller
_ATTACH_TIMEOUT_S = 10
_MOST_S = 20.0


class TraceError(Exception):
    """The machine does not let strace attach."""


async def run(plan: Plan) -> RunResult:
    """Judge the order of some hundred answers, half of them while Postgres does not answer."""
    if shutil.which("strace") is None:
        return RunResult(NAME, skipped="strace is not installed (apt-get install strace)")
    answers = plan.pick(20, 100, 1_000)
    async with open_stage(plan) as stage:
        collector = await stage.start_collector()
        trace = plan.folder / "trace"
        try:
            async with _traced(collector, trace):
                await _send(stage, answers, seconds=plan.pick(0.4, 2, 10))
                if stage.can_spool:
                    plan.postgres.freeze()
                    await _send(stage, answers, seconds=plan.pick(0.8, 5, 15))
                    plan.postgres.thaw()
        except TraceError as error:
            return RunResult(NAME, skipped=str(error))
        order = judge_order(trace)
        return await stage.result(NAME, _figures(order, 2 * answers))


def _figures(order: Order, enough: int) -> tuple[Figure, ...]:
    return (
        Figure("answers judged", f"{order.answers}", f">= {enough}", order.answers >= enough, is_timed=True),
        Figure("… of them durable by COMMIT", f"{order.by_commit}", ">= 1", order.by_commit > 0),
        Figure("… of them durable by fdatasync", f"{order.by_sync}", ">= 1", order.by_sync > 0),
        Figure("answers before either", f"{order.early}", "0", order.early == 0),
    )


async def _send(stage: Stage, answers: int, seconds: float) -> None:
    """Send on a few lines, so that flushes carry several batches, for that long and until there are enough answers."""
    before, began = len(stage.oracle.notes().acknowledged), time.monotonic()
    await stage.oracle.begin(stage.wave(senders=4, think_s=0.01))
    await asyncio.sleep(seconds)
    until = began + _MOST_S
    while time.monotonic() < until and len(stage.oracle.notes().acknowledged) < before + answers:  # noqa: ASYNC110  # no event
        await asyncio.sleep(FLUSH_S)
    await stage.oracle.end()


@contextlib.asynccontextmanager
async def _traced(collector: CollectorProcess, trace: Path) -> AsyncIterator[None]:
    """Trace the collector's system calls into a file.

    Raises:
        TraceError: strace cannot attach.
    """
    process = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-xx", "-s", str(_MAX_STRING), "-e", f"trace={_CALLS}", "-e", "signal=none"),
        *("-o", str(trace), "-p", str(collector.pid)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(_ATTACH_TIMEOUT_S):
        said = (await process.stderr.readline()).decode().strip()
    if "attached" not in said:
        await process.wait()
        raise TraceError(f"strace cannot attach: {said}")
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()
