"""Counts again what was acknowledged: in our tables, or in the plain ones of the obvious way."""

import asyncio
from dataclasses import dataclass
from typing import LiteralString

import asyncpg

from .bodies import Order, batch_ids
from .load import Report

_PATIENCE_S = 20.0
"""What was acknowledged from the spool is in Postgres a moment later."""
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Tables:
    """Where a variant stores: the ids of its batches, its views and clicks, and how all of it is emptied."""

    batches: LiteralString
    views: LiteralString
    clicks: LiteralString
    empty: LiteralString


OURS = Tables(
    "select encode(uuid_send(batch_id), 'hex') from ledger",
    "select count(*) from view_reports",
    "select count(*) from clicks",
    "truncate ledger, view_reports",
)
PLAIN = Tables(
    "select encode(uuid_send(batch_id), 'hex') from plain_batches",
    "select count(*) from plain_views",
    "select count(*) from plain_clicks",
    "truncate plain_batches, plain_views, plain_clicks",
)


@dataclass(frozen=True, slots=True)
class Recount:
    """Batches acknowledged that are not there, or there that were never sent; views and clicks that are too many."""

    lost: int
    phantom: int
    surplus_views: int
    surplus_clicks: int

    @property
    def faults(self) -> list[str]:
        """What is wrong, in words."""
        named = {
            "batches lost": self.lost,
            "batches never sent": self.phantom,
            "views more than batches": self.surplus_views,
            "clicks more than sent": self.surplus_clicks,
        }
        return [f"{n} {name}" for name, n in named.items() if n]


async def recount(conn: asyncpg.Connection, tables: Tables, order: Order, report: Report) -> Recount:
    """Compare the tables, which were empty before the run, with its report."""
    result = await _count(conn, tables, order, report)
    for _ in range(int(_PATIENCE_S / _PAUSE_S)):
        if not result.lost:
            break
        await asyncio.sleep(_PAUSE_S)
        result = await _count(conn, tables, order, report)
    return result


async def _count(conn: asyncpg.Connection, tables: Tables, order: Order, report: Report) -> Recount:
    sent = batch_ids(order)[: report.sent]
    unacknowledged = set(report.unacknowledged)
    acknowledged = {batch_id for place, batch_id in enumerate(sent) if place not in unacknowledged}
    stored = {row[0].encode() for row in await conn.fetch(tables.batches)}
    return Recount(
        lost=len(acknowledged - stored),
        phantom=len(stored - set(sent)),
        surplus_views=await conn.fetchval(tables.views) - len(stored),
        surplus_clicks=await conn.fetchval(tables.clicks) - len(stored) * order.clicks,
    )
