"""The obvious way: each request is decoded with `json`, checked, and stored by INSERTs in a transaction of its own.

It keeps the same columns as our first schema, in plain tables, refuses a batch that it knows, and is helped where that
is easy: it remembers which pages and elements are stored, and prepares its statements once a connection.
"""

import datetime
import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
from aiohttp import web
from bench.decode import decode_by_hand

from .rival import run_rival

CREATE = """
create table plain_batches (batch_id uuid primary key, received_at timestamptz not null);
create table plain_pages (page_id bigint primary key, path text not null);
create table plain_elements (element_id bigint primary key, key text not null);
create table plain_views (
    view_id bigint not null, visitor_key bigint not null, page_id bigint not null, device smallint not null,
    navigation smallint not null, seq int not null, started_at timestamptz not null, local_day date not null,
    active_ms int not null, engaged_ms int not null, viewport_w_px int not null, viewport_h_px int not null,
    doc_w_px int not null, doc_h_px int not null, depth_px int not null, depth_doc_h_px int not null,
    referrer_host text, exit_section_id bigint, section_ids bigint[] not null, section_ms int[] not null,
    section_flags smallint[] not null
);
create table plain_clicks (
    view_id bigint not null, page_id bigint not null, device smallint not null, viewport_w_px int not null,
    viewport_h_px int not null, doc_w_px int not null, doc_h_px int not null, element_id bigint not null,
    at_ms int not null, x_px int not null, y_px int not null, element_w_px int not null, element_h_px int not null,
    nth int not null, x_frac smallint not null, y_frac smallint not null, kind smallint not null
);
"""

_BATCH = "insert into plain_batches values ($1, $2) on conflict do nothing returning true"
_PAGE = "insert into plain_pages values ($1, $2) on conflict do nothing"
_ELEMENT = "insert into plain_elements values ($1, $2) on conflict do nothing"
_VIEW = f"insert into plain_views values ({', '.join(f'${place}' for place in range(1, 22))})"
_CLICK = f"insert into plain_clicks values ({', '.join(f'${place}' for place in range(1, 18))})"
_POOL_SIZE = 10

Wire = dict[str, Any]
"""What `json.loads` makes of a body."""
Row = tuple[object, ...]


class Inserter:
    """The one route, and what it remembers."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._pool: asyncpg.Pool | None = None
        self._known: set[int] = set()

    async def live(self, _app: web.Application) -> AsyncIterator[None]:
        """Keep a pool while the application runs."""
        async with asyncpg.create_pool(self._url, min_size=_POOL_SIZE, max_size=_POOL_SIZE) as self._pool:
            yield

    async def collect(self, request: web.Request) -> web.Response:
        """Answer 204 once the batch is committed."""
        assert self._pool is not None
        wire = decode_by_hand(await request.read())
        if wire is None:
            return web.Response(status=400)
        now = datetime.datetime.now(datetime.UTC)
        visitor = _id(f"{request.remote} {request.headers.get('User-Agent', '')}")
        keys = _element_keys(wire["d"])
        async with self._pool.acquire() as conn, conn.transaction():
            if await conn.fetchval(_BATCH, wire["b"], now):
                await self._store_names(conn, wire["w"]["p"], keys)
                await conn.execute(_VIEW, *_view_row(wire, visitor, keys, now))
                await conn.executemany(_CLICK, list(_click_rows(wire, keys)))
        return web.Response(status=204)

    async def _store_names(self, conn: asyncpg.pool.PoolConnectionProxy, path: str, keys: list[str]) -> None:
        names = [(_PAGE, path), *((_ELEMENT, key) for key in keys)]
        for statement, name in names:
            if _id(name) not in self._known:
                await conn.execute(statement, _id(name), name)
                self._known.add(_id(name))


def build_app(database_url: str) -> web.Application:
    """Return an application of that one route."""
    inserter = Inserter(database_url)
    app = web.Application()
    app.router.add_post("/v1/events", inserter.collect)
    app.cleanup_ctx.append(inserter.live)
    return app


def _id(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def _element_keys(steps: list[tuple[int, str]]) -> list[str]:
    keys: list[str] = []
    for parent, step in steps:
        keys.append(step if parent < 0 else f"{keys[parent]}>{step}")
    return keys


def _device(width_px: int) -> int:
    return 1 if width_px >= 1024 else 2 if width_px >= 600 else 3


def _view_row(wire: Wire, visitor: int, keys: list[str], now: datetime.datetime) -> Row:
    view, geometry, sections = wire["w"], wire["g"][-1], wire.get("s", [])
    started = now - datetime.timedelta(milliseconds=wire["t"] - view["s"])
    return (
        *(_view_id(wire), visitor, _id(view["p"]), _device(geometry[0]), view["n"], view["q"], started, started.date()),
        *(view["a"], view["e"], *geometry, *view["h"], view.get("r"), _id(keys[view["x"]]) if "x" in view else None),
        *([_id(keys[one[0]]) for one in sections], [one[1] for one in sections], [one[2] for one in sections]),
    )


def _click_rows(wire: Wire, keys: list[str]) -> Iterator[Row]:
    view_id, page_id, clicks, at_ms = _view_id(wire), _id(wire["w"]["p"]), wire["c"], 0
    ids = [_id(key) for key in keys]
    for place, element in enumerate(clicks["e"]):
        geometry = wire["g"][clicks["g"][place]]
        at_ms += clicks["t"][place]
        box = [clicks[name][place] for name in ("x", "y", "w", "h", "n", "fx", "fy", "k")]
        yield (view_id, page_id, _device(geometry[0]), *geometry, ids[element], at_ms, *box)


def _view_id(wire: Wire) -> int:
    number = int(wire["w"]["i"], 16)
    return number - 2**64 if number >= 2**63 else number


if __name__ == "__main__":
    run_rival(build_app)
