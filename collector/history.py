"""All that was ever stored and rolled up, for whoever counts it anew: enumerates flushes, scores reports again.

The ledger forgets settled batches after days, so it is the facts that tell which flushes there are. Owns no table.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final, LiteralString

from collector.bots import WEIGHTS, score
from collector.db import Conn
from collector.ids import BotSign, FlushId, ShardKey
from collector.ledger import PendingFlush

_ROWS_A_FETCH = 256

# One statement, whose snapshot decides: a flush is either in both tables, unsettled, or it is not there yet.
_WALK: Final[LiteralString] = """\
-- history.walk_settled
select report.flush_id, report.fact_day, count(*) as batches
from view_reports as report
where report.shard_key = $1
  and not exists (
      select from ledger
      where ledger.shard_key = $1
        and ledger.flush_id = report.flush_id
        and not ledger.settled
  )
group by report.fact_day, report.flush_id
order by report.fact_day, report.flush_id
"""

_LOAD_SIGNS: Final[LiteralString] = """\
-- history.rescore_reports
select distinct bot_signs
from view_reports
where shard_key = $1
  and bot_signs <> 0
"""

_RESCORE: Final[LiteralString] = """\
-- history.rescore_reports
update view_reports as report
set bot_score = scored.score
from unnest($2::int[], $3::smallint[]) as scored (signs, score)
where report.shard_key = $1
  and report.bot_signs = scored.signs
  and report.bot_score <> scored.score
"""


async def walk_settled(conn: Conn, shard_key: ShardKey) -> AsyncIterator[list[PendingFlush]]:
    """Yield the flushes of a shard key that are in the rollups, oldest day first, some hundred at a time.

    Call it in a transaction that holds the rollup lock of the key, so that none is settled meanwhile.
    """
    cursor = await conn.cursor(_WALK, shard_key)
    while rows := await cursor.fetch(_ROWS_A_FETCH):
        yield [PendingFlush(FlushId(row["flush_id"]), row["fact_day"], row["batches"]) for row in rows]


async def rescore_reports(conn: Conn, shard_key: ShardKey, weights: Mapping[BotSign, int] = WEIGHTS) -> int:
    """Bring the stored scores of a shard key up to these weights; return how many reports had another one.

    The one column of a fact that ever changes: it is an opinion about the signs beside it, which do not.
    """
    signs = [row["bot_signs"] for row in await conn.fetch(_LOAD_SIGNS, shard_key)]
    status = await conn.execute(_RESCORE, shard_key, signs, [score(each, weights) for each in signs])
    return int(status.rpartition(" ")[2])
