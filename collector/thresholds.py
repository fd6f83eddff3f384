"""The score from which a site's views count as a bot's. This module alone reads and writes `bot_thresholds`."""

from typing import Final, LiteralString

from collector.db import Conn
from collector.ids import SiteId

_LOAD: Final[LiteralString] = """\
-- thresholds.load_threshold
select score
from bot_thresholds
where site_id = $1
"""

_WRITE: Final[LiteralString] = """\
-- thresholds.write_threshold
insert into bot_thresholds (site_id, score)
values ($1, $2)
on conflict (site_id) do update set score = excluded.score
"""

_DELETE: Final[LiteralString] = """\
-- thresholds.delete_threshold
delete from bot_thresholds
where site_id = $1
"""


async def load_threshold(conn: Conn, site_id: SiteId, default: int) -> int:
    """Return the site's own threshold, else the default."""
    own = await conn.fetchval(_LOAD, site_id)
    return default if own is None else int(own)


async def write_threshold(conn: Conn, site_id: SiteId, score: int) -> None:
    """Give a site a threshold of its own, 1 to 101; views that were counted before stay where they are."""
    await conn.execute(_WRITE, site_id, score)


async def delete_threshold(conn: Conn, site_id: SiteId) -> None:
    """Let the service's setting decide for a site again."""
    await conn.execute(_DELETE, site_id)
