"""The floor of the way out: COPY of rows that are packed already, flush by flush, each in a transaction of its own.

The rows are those that our collector has just stored, and so are the sizes of the flushes. It writes neither ledger nor
dictionaries. Reads one job from stdin, answers READY, waits for the word, and prints what it took.
"""

import asyncio
import io
import sys
import time
from pathlib import Path

import asyncpg
import msgspec
import uvloop

from .load import GO, READY


class CopyJob(msgspec.Struct, frozen=True):
    """Files of one flush each, to be written again and again for `seconds` at least."""

    url: str
    flushes: list[str]
    seconds: float


class CopyReport(msgspec.Struct, frozen=True):
    """How often everything was written, and what it took of this process."""

    turns: int
    seconds: float
    cpu_s: float


async def copy(job: CopyJob, flushes: list[bytes]) -> None:
    """Connect, say so, wait for the word, write the streams, report, and keep the connection until stdin ends.

    The process of Postgres behind it must still be there when its CPU is read.
    """
    conn = await asyncpg.connect(job.url)
    try:
        _say(READY)
        if _listen() != GO:
            return
        begun_s, begun_cpu_s, turns = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - begun_s < job.seconds:
            turns += 1
            for flush in flushes:
                async with conn.transaction():
                    await conn.copy_to_table("view_reports", source=io.BytesIO(flush), format="binary")
        report = CopyReport(turns, time.perf_counter() - begun_s, time.process_time() - begun_cpu_s)
        _say(msgspec.json.encode(report) + b"\n")
        _listen()
    finally:
        await conn.close()


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _listen() -> bytes:
    return sys.stdin.buffer.readline()


def main() -> None:
    """Do the job on stdin."""
    job = msgspec.json.decode(_listen(), type=CopyJob)
    flushes = [Path(file).read_bytes() for file in job.flushes]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(copy(job, flushes))


if __name__ == "__main__":
    main()
