"""One connection that is kept from one transaction to the next, and can be cut off in the middle of one."""

import asyncio
import contextlib

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from collector.db import POSTGRES_ERRORS, Conn, Pool

_RELEASE_S = 1.0


class Link:
    """A connection of `pool` that is opened when it is needed and given back by `close`; for one task at a time.

    A statement that hangs is not cancelled but its connection cut: asking a Postgres that does not answer to cancel
    would hang as well, and so would the rollback.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._conn: PoolConnectionProxy | None = None

    async def open(self, timeout_s: float) -> Conn:
        """Return the connection, a new one where the last was cut or lost.

        Raises:
            TimeoutError, OSError, asyncpg.PostgresError: there is none within `timeout_s`.
        """
        if self._conn is None or _is_gone(self._conn):
            self.cut()
            self._conn = await self._pool.acquire(timeout=timeout_s)
        return self._conn

    def cut(self) -> None:
        """End the connection at once; whoever waits for it gets an error."""
        if self._conn is not None:
            # Also where it is closed already: asyncpg may not have told the pool. Not where the pool has it back.
            with contextlib.suppress(asyncpg.InterfaceError):
                self._conn.terminate()

    async def close(self) -> None:
        """Give the connection back."""
        conn, self._conn = self._conn, None
        if conn is None:
            return
        try:
            await asyncio.wait_for(self._pool.release(conn), _RELEASE_S)
        except POSTGRES_ERRORS:
            with contextlib.suppress(asyncpg.InterfaceError):
                conn.terminate()


def _is_gone(conn: PoolConnectionProxy) -> bool:
    """Return whether the connection is closed; the pool may have it back already."""
    try:
        return conn.is_closed()
    except asyncpg.InterfaceError:
        return True
