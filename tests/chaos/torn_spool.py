"""The spool of a killed collector cut, flipped and zero-filled; then started again.

What was damaged is lost by our own doing. Everything else must be stored, and nothing that was never sent.
"""

import asyncio
import bisect
import dataclasses
import random
from dataclasses import dataclass, field
from pathlib import Path

from oracle import FLUSH_S
from runs import Figure, Plan, RunResult
from stage import Stage, open_stage

from collector.rows import decode_rows
from collector.segments import BLOCK_BYTES, Frame, scan

NAME = "torn and corrupt spool"
MUTANTS = ("believes_any_checksum",)
_HEAD_BYTES = 28 + 24  # of a frame, and a mark that may stand in it
_CUT_BYTES = 5_000
_ZERO_BYTES = 12_288
_STEADY_S = 1.0
_DRAIN_S = 30.0
_MIN_FRAMES = 100
_PATIENCE = 40
"""Flushes waited for at most."""
_LOAD = {"senders": 8, "clicks": (1, 40), "retry_share": 0.0}


@dataclass(slots=True)
class Damage:
    """What was done: flipped bits, cut bytes, and the batches that this may cost."""

    frames: int = 0
    flips: int = 0
    cut_bytes: int = 0
    left_full: int = 0
    """Rounds after which the collector had not drained the spool."""
    excused: set[str] = field(default_factory=set)
    hit: set[str] = field(default_factory=set)
    """The excused ones whose own bytes were hit."""


async def run(plan: Plan) -> RunResult:
    """Fill a spool while Postgres is away, kill the collector, damage the files, start it and compare."""
    rng = random.Random(plan.seed)
    total = Damage()
    async with open_stage(plan) as stage:
        if not stage.can_spool:
            return RunResult(NAME, skipped="this version has no spool")
        counted = 0
        for _ in range(plan.pick(1, 3, 25)):
            await _fill(stage, seconds=plan.pick(0.7, 3, 6))
            _damage(stage.spool, rng, plan.pick(12, 40, 200), total)
            plan.postgres.thaw()
            collector = await stage.start_collector()
            total.left_full += not await _is_emptied(stage)
            counted += await stage.metric("spool_damaged")
            await collector.stop()
        # What was damaged never comes, so there is nothing to wait for: the spool is empty.
        result = await stage.result(NAME, (), timeout_s=_STEADY_S)
        conn = await stage.connect()
        stored = {row[0] for row in await conn.fetch("select replace(batch_id::text, '-', '') from ledger")}
        await conn.close()
        return _excuse(result, total, counted, stage.oracle.notes().acknowledged.keys() - stored)


async def _fill(stage: Stage, seconds: float) -> None:
    """Leave a spool behind that no process holds, and Postgres frozen."""
    collector = await stage.start_collector()
    await stage.oracle.begin(stage.wave(**_LOAD))
    await asyncio.sleep(0.3)
    stage.plan.postgres.freeze()
    await asyncio.sleep(stage.spool_after_s + seconds)
    # A busy machine takes longer to make as many as the damage needs; a fault in the product may make none.
    for _ in range(_PATIENCE):
        if _count_frames(stage.spool) >= _MIN_FRAMES:
            break
        await asyncio.sleep(FLUSH_S)
    await collector.kill()
    await stage.oracle.end()


async def _is_emptied(stage: Stage) -> bool:
    """Return whether the collector drains the spool in time: a record that it cannot get rid of holds up the rest."""
    try:
        async with asyncio.timeout(_DRAIN_S):
            await asyncio.sleep(FLUSH_S)
            while await stage.metric("spool_records"):  # noqa: ASYNC110  # another process sets no event
                await asyncio.sleep(FLUSH_S)
    except TimeoutError:
        return False
    return True


def _count_frames(spool: Path) -> int:
    return sum(
        isinstance(one, Frame) for path in spool.glob("*/*.seg") for one in scan(path.read_bytes(), int(path.stem))
    )


def _damage(spool: Path, rng: random.Random, flips: int, total: Damage) -> None:
    """Flip bits all over the segments and the cursors, cut the end of the newest segment and put zeros there."""
    segments = sorted(spool.glob("*/*.seg"))
    for path in segments:
        data = bytearray(path.read_bytes())
        frames = [one for one in scan(bytes(data), int(path.stem)) if isinstance(one, Frame)]
        total.frames += len(frames)
        for _ in range(flips // len(segments) + 1):
            place = rng.randrange(len(data))
            data[place] ^= 1 << rng.randrange(8)
            total.flips += 1
            _note(total, frames, place)
        if path == segments[-1]:
            cut = min(len(data), rng.randrange(1, _CUT_BYTES))
            data[-cut:] = bytes(_ZERO_BYTES)
            total.cut_bytes += cut
            gone = {_batch(frame) for frame in frames if frame.end > len(data) - _ZERO_BYTES}
            total.excused |= gone
        path.write_bytes(data)
    for cursor in spool.glob("*/cursor"):
        data = bytearray(cursor.read_bytes())
        if data:
            data[rng.randrange(len(data))] ^= 0x10
            cursor.write_bytes(data)


def _note(total: Damage, frames: list[Frame], place: int) -> None:
    """Note whom a flipped bit may cost: its frame, and in a head all up to the first that begins in the next block."""
    number = bisect.bisect_right([frame.end for frame in frames], place)
    if number == len(frames):
        return
    start = frames[number - 1].end if number else 0
    total.hit.add(_batch(frames[number]))
    total.excused.add(_batch(frames[number]))
    if place >= start + _HEAD_BYTES:
        return
    block_end = (place // BLOCK_BYTES + 1) * BLOCK_BYTES
    for frame in frames[number:]:
        total.excused.add(_batch(frame))
        if frame.end >= block_end:
            break


def _batch(frame: Frame) -> str:
    return decode_rows(frame.payload).batch_id


def _excuse(result: RunResult, damage: Damage, counted: int, missing: set[str]) -> RunResult:
    """Return the result without the batches that were damaged on purpose."""
    lost = missing - damage.excused
    figures = (
        Figure("records in the damaged files", f"{damage.frames:,}", f">= {_MIN_FRAMES}", damage.frames >= _MIN_FRAMES),
        Figure("bits flipped, bytes cut off", f"{damage.flips}, {damage.cut_bytes:,}", "-", ok=True),
        Figure("records that this could cost", f"{len(damage.excused)}", "-", ok=True),
        Figure("records that it did cost", f"{len(missing)}", "none else", not lost),
        Figure("rounds that left the spool undrained", f"{damage.left_full}", "0", not damage.left_full),
        Figure("damaged places counted by the collector", f"{counted}", ">= 1", counted >= 1),
    )
    return dataclasses.replace(result, lost=len(lost), figures=figures)
