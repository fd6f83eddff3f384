"""Disks for the tests of the spool: files that fail when told to, processes that hold a spool and are killed."""

import asyncio
import errno
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from collector.spool_files import AppendedFile

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60

_HOLDER = """
import asyncio, sys
from pathlib import Path
from collector.spool import open_spool

async def main():
    spool = open_spool(Path(sys.argv[1]), 1 << 30)
    print("slot", spool.slot, flush=True)
    async def append(sender):
        for nth in range(int(sys.argv[2])):
            name = f"{spool.slot}-{sender}-{nth}-" + sys.argv[3]
            await spool.append(name.encode() + bytes(200 * sender))
            print(name, flush=True)
    await asyncio.gather(*(append(sender) for sender in range(16)))
    print("done", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@dataclass(slots=True)
class Disk:
    """Opens real files that fail as long as the test says; `may_sync` holds every sync up while it is clear."""

    fails_write: bool = False
    fails_sync: bool = False
    fails_cut: bool = False
    part: int = 0
    """Bytes that a failing write still writes."""
    syncs: int = 0
    may_sync: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_sync.set()

    def open(self, path: Path) -> "FailingFile":
        return FailingFile(path, self)


class FailingFile(AppendedFile):
    """A real file, but for the failures of its disk."""

    def __init__(self, path: Path, disk: Disk) -> None:
        super().__init__(path)
        self._disk = disk

    def append(self, data: bytes) -> None:
        if self._disk.fails_write:
            super().append(data[: self._disk.part])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().append(data)

    def sync(self) -> None:
        self._disk.may_sync.wait()
        self._disk.syncs += 1
        if self._disk.fails_sync:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync()

    def cut(self, size: int) -> None:
        if self._disk.fails_cut:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().cut(size)


@asynccontextmanager
async def holder(home: Path, appends: int, name: str = "") -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run a process with a spool of its own; yields it and its slot. It prints what is acknowledged, then "done"."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _HOLDER, str(home), str(appends), name),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), TIMEOUT_S)
        yield process, int(line.split()[1])
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def read_lines(process: asyncio.subprocess.Process, count: int) -> list[str]:
    """Return the next lines that a holder prints, fewer where it ends."""
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT_S):
        lines = [(await process.stdout.readline()).decode().strip() for _ in range(count)]
    return [line for line in lines if line]
