"""The salts that make a visitor's key, one per day: made the day before, destroyed when no batch needs them.

Once a day's salt is gone nobody, with the whole database in hand, can say which visitor of that day someone was.
"""

import datetime
from collections.abc import Callable
from typing import Final, LiteralString

from collector.db import POSTGRES_ERRORS, Conn, Pool
from collector.errors import StorageError

SALT_BYTES = 32
_ACQUIRE_TIMEOUT_S = 5
_KEPT_DAYS = 4
"""Salts in memory: batches come from today, from the day before, and from either side of the date line."""

_ADD: Final[LiteralString] = """\
-- privacy.load_salt
insert into salts (day, salt)
values ($1, $2)
on conflict (day) do nothing
"""

_LOAD: Final[LiteralString] = """\
-- privacy.load_salt
select salt
from salts
where day = $1
"""

_PRUNE: Final[LiteralString] = """\
-- privacy.prune_salts
delete from salts
where day < $1
"""


async def load_salt(conn: Conn, day: datetime.date, new: bytes) -> bytes:
    """Return the salt of a day; `new` becomes it where there is none yet, for all collectors alike."""
    await conn.execute(_ADD, day, new)
    salt: bytes = await conn.fetchval(_LOAD, day)
    return salt


async def find_salt(conn: Conn, day: datetime.date) -> bytes | None:
    """Return the salt of a day if there is one, and make none."""
    salt: bytes | None = await conn.fetchval(_LOAD, day)
    return salt


async def prune_salts(conn: Conn, before: datetime.date) -> int:
    """Destroy the salts of the days before `before`; return how many there were.

    Choose `before` so that no batch of an earlier day is accepted any more: `late_hours` and one more day ago.
    """
    status = await conn.execute(_PRUNE, before)
    return int(status.rpartition(" ")[2])


class SaltBook:
    """The salts of the last days, in memory; `random` returns that many unpredictable bytes."""

    def __init__(self, pool: Pool, random: Callable[[int], bytes]) -> None:
        self._pool = pool
        self._random = random
        self._salts: dict[datetime.date, bytes] = {}

    def known(self, day: datetime.date) -> bytes | None:
        """Return the salt of a day as far as memory tells; None: ask `salt_of`."""
        return self._salts.get(day)

    async def salt_of(self, day: datetime.date) -> bytes:
        """Return the salt of a day, asking Postgres only the first time.

        Raises:
            StorageError: Postgres cannot be asked.
        """
        salt = self._salts.get(day)
        if salt is not None:
            return salt
        try:
            async with self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as conn:
                salt = await load_salt(conn, day, self._random(SALT_BYTES))
        except POSTGRES_ERRORS as error:
            raise StorageError(f"the salt of {day} could not be loaded: {type(error).__name__}") from error
        self._salts[day] = salt
        for old in sorted(self._salts)[:-_KEPT_DAYS]:
            del self._salts[old]
        return salt
