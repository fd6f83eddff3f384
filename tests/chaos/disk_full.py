"""The disk of the spool full while Postgres is away, then kill −9, then space again.

As root the disk is a small one of its own in memory; elsewhere JALKI_SPOOL_MAX_BYTES stands for it.
"""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from notes import Notes, Reply, bare_refusals, count_statuses
from oracle import FLUSH_S
from runs import Figure, Plan, RunResult
from stage import CollectorProcess, Stage, open_stage

NAME = "spool disk full, then kill -9"
MUTANTS = ("acknowledges_on_a_full_disk",)
_ACCEPTING_S = 5.0
_FULL_TIMEOUT_S = 60
_FULL_BY_THEN_S = 3.0
_REFUSALS = 50
_LOAD = {"senders": 16, "clicks": (0, 40), "retry_share": 0.0}


@dataclass(slots=True)
class _Course:
    """When it happened; `down` are the spans in which no collector ran."""

    spaces: list[float] = field(default_factory=list)
    down: list[tuple[float, float]] = field(default_factory=list)
    started: list[float] = field(default_factory=list)

    def is_up(self, reply: Reply) -> bool:
        """Whether somebody was there to answer."""
        return not any(since <= reply.at_s and reply.sent_s <= until for since, until in self.down)


async def run(plan: Plan) -> RunResult:
    """Fill the disk, give some space, fill it again, kill the collector, start it on the full disk, give space."""
    size = plan.pick(1, 8, 64)
    with _small_disk(plan.folder / "disk", size) as disk:
        async with open_stage(plan) as stage:
            stage.settings |= {"JALKI_SPOOL_DIR": str(disk.folder / "spool")}
            if not disk.is_mounted:
                stage.settings |= {"JALKI_SPOOL_MAX_BYTES": str(size << 20)}
            if not stage.can_spool:
                return RunResult(NAME, skipped="this version has no spool")
            course = await _fill_and_kill(stage, disk)
            figures = _figures(disk, course, stage.oracle.notes())
            return await stage.result(NAME, figures)


async def _fill_and_kill(stage: Stage, disk: "_Disk") -> _Course:
    course = _Course()
    collector = await stage.start_collector()
    await stage.oracle.begin(stage.wave(**_LOAD))
    await asyncio.sleep(0.5)
    stage.plan.postgres.freeze()
    await _wait_refusals(stage, time.monotonic())
    if disk.is_mounted:
        disk.grow()
        course.spaces.append(time.monotonic())
        await _wait_refusals(stage, time.monotonic() + 0.5)
    await _kill_and_start(stage, collector, disk, course)
    await asyncio.sleep(stage.plan.pick(1.0, _ACCEPTING_S, _ACCEPTING_S))
    await stage.oracle.end()
    return course


async def _kill_and_start(stage: Stage, collector: CollectorProcess, disk: "_Disk", course: _Course) -> None:
    killed = time.monotonic()
    await collector.kill()
    stage.plan.postgres.thaw()
    await stage.start_collector()
    course.down.append((killed, time.monotonic()))
    disk.grow()
    course.spaces.append(time.monotonic())


async def _wait_refusals(stage: Stage, since_s: float) -> None:
    """Wait until requests sent since that moment were refused some fifty times."""
    if stage.plan.mutant:
        await asyncio.sleep(_FULL_BY_THEN_S)  # it may never refuse
        return
    async with asyncio.timeout(_FULL_TIMEOUT_S):
        refused = 0
        while refused < _REFUSALS:
            await asyncio.sleep(FLUSH_S)
            refused = sum(reply.status == 503 for reply in stage.oracle.notes().between(since_s, float("inf")))


def _figures(disk: "_Disk", course: _Course, notes: Notes) -> tuple[Figure, ...]:
    replies = [reply for reply in notes.replies if course.is_up(reply)]
    refused = [reply for reply in replies if not reply.is_acknowledged]
    bare = bare_refusals(replies)
    kind = "a small disk of its own" if disk.is_mounted else "JALKI_SPOOL_MAX_BYTES"
    accepting_s = max(notes.back_after(moment_s) for moment_s in course.spaces)
    return (
        Figure("what was full", kind, "-", ok=True),
        Figure("refusals", count_statuses(refused), f">= {_REFUSALS}", len(refused) >= _REFUSALS),
        Figure("other than 503 with Retry-After", f"{bare}", "0", bare == 0),
        Figure("accepting again", f"{accepting_s:.1f} s", f"<= {_ACCEPTING_S:.0f} s", accepting_s <= _ACCEPTING_S),
    )


@dataclass(slots=True)
class _Disk:
    folder: Path
    size_mb: int
    is_mounted: bool

    def grow(self) -> None:
        """Make the disk half as large again; nothing happens to a folder that is none."""
        if self.is_mounted:
            self.size_mb += max(1, self.size_mb // 2)
            _call("mount", "-o", f"remount,size={self.size_mb}m", str(self.folder))


@contextlib.contextmanager
def _small_disk(folder: Path, size_mb: int) -> Iterator[_Disk]:
    folder.mkdir()
    is_mounted = os.geteuid() == 0 and _call("mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder))
    try:
        yield _Disk(folder, size_mb, is_mounted)
    finally:
        if is_mounted:
            _call("umount", "--lazy", str(folder))


def _call(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
