"""A Postgres of the runs' own that can be frozen, stopped and started again under the same address."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from collector import db
from collector.embedded import EmbeddedPostgres, start_postgres

_TEMPLATE = "template_chaos"


@dataclass(slots=True)
class SwitchedPostgres:
    """A running server; whoever freezes or stops it brings it back."""

    folder: Path
    server: EmbeddedPostgres
    _frozen: list[int] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def freeze(self) -> None:
        """Stop every process of the server with SIGSTOP: connections stay open and nothing answers."""
        # The parent first, so that no child is made after the others are counted.
        parent = self.server.process.pid
        os.kill(parent, signal.SIGSTOP)
        self._frozen = [parent, *_children(parent)]
        for pid in self._frozen:
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on; nothing happens to one that runs."""
        for pid in reversed(self._frozen):
            _signal(pid, signal.SIGCONT)
        self._frozen = []

    async def stop(self) -> None:
        """Stop the server as an operator does; new connections are refused."""
        await self.server.stop()

    async def start(self) -> None:
        """Start the stopped server on the same data and address."""
        self.server = await start_postgres(self.folder)

    async def restore(self) -> None:
        """Bring the server back from whatever was done to it."""
        self.thaw()
        if self.server.process.poll() is not None:
            await self.start()

    async def create_database(self) -> str:
        """Return the address of a fresh, migrated database."""
        name = f"run_{next(self._numbers)}"
        async with self.control() as control:
            await control.execute(f"create database {name} template {_TEMPLATE}")
        return self.server.database_url(name)

    @contextlib.asynccontextmanager
    async def control(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """Yield a connection to another database than the runs'."""
        control = await asyncpg.connect(self.server.database_url("postgres"), timeout=10)
        try:
            yield control
        finally:
            await control.close(timeout=10)


@contextlib.asynccontextmanager
async def switched_postgres(folder: Path) -> AsyncIterator[SwitchedPostgres]:
    """Yield a server on `folder`, with a migrated template."""
    postgres = SwitchedPostgres(folder, await start_postgres(folder))
    try:
        async with postgres.control() as control:
            await control.execute(f"create database {_TEMPLATE}")
        await db.migrate(postgres.server.database_url(_TEMPLATE))
        yield postgres
    finally:
        postgres.thaw()
        await asyncio.shield(postgres.stop())


def _children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
