"""The dictionaries that name what facts carry as numbers: pages by path, elements and sections by key."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, LiteralString

from msgspec import Struct

from collector.db import Conn
from collector.ids import ElementId, PageId, ShardKey

_WRITE_PAGES: Final[LiteralString] = """\
-- catalog.write_pages
insert into pages (shard_key, page_id, path)
select * from unnest($1::bigint[], $2::bigint[], $3::text[])
on conflict (shard_key, page_id) do nothing
"""

_WRITE_ELEMENTS: Final[LiteralString] = """\
-- catalog.write_elements
insert into elements (shard_key, element_id, parent_id, key)
select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[])
on conflict (shard_key, element_id) do nothing
"""

_LOAD_PAGES: Final[LiteralString] = """\
-- catalog.load_pages
select page_id, path
from pages
where shard_key = any($1::bigint[])
"""

_LOAD_PAGE: Final[LiteralString] = """\
-- catalog.load_page
select path
from pages
where shard_key = any($1::bigint[])
  and page_id = $2
limit 1
"""

_LOAD_ELEMENTS: Final[LiteralString] = """\
-- catalog.load_elements
select element_id, parent_id, key
from elements
where shard_key = any($1::bigint[])
  and element_id = any($2::bigint[])
"""


class PageRow(Struct, frozen=True, array_like=True, gc=False):
    """A page as a batch names it."""

    shard_key: ShardKey
    page_id: PageId
    path: str


class ElementRow(Struct, frozen=True, array_like=True, gc=False):
    """An element or section as a batch names it; `parent_id` is its nearest known ancestor."""

    shard_key: ShardKey
    element_id: ElementId
    parent_id: ElementId | None
    key: str


@dataclass(frozen=True, slots=True)
class Element:
    """What is known of an element id."""

    key: str
    parent_id: ElementId | None


class KnownKeys:
    """Which dictionary rows are certainly in Postgres; the one added first is forgotten when there are too many."""

    def __init__(self, max_keys: int = 200_000) -> None:
        self._max_keys = max_keys
        self._keys: dict[tuple[ShardKey, int], None] = {}

    @property
    def keys(self) -> Collection[tuple[ShardKey, int]]:
        """All of them, to look many up without a call for each."""
        return self._keys

    def __contains__(self, key: tuple[ShardKey, int]) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: Iterable[tuple[ShardKey, int]]) -> None:
        """Remember keys whose rows have been committed."""
        self._keys.update(dict.fromkeys(keys))
        while len(self._keys) > self._max_keys:
            del self._keys[next(iter(self._keys))]


@dataclass(slots=True)
class Dictionaries:
    """The dictionary rows that this process need not write again."""

    pages: KnownKeys = field(default_factory=KnownKeys)
    elements: KnownKeys = field(default_factory=KnownKeys)


async def write_pages(conn: Conn, rows: Iterable[PageRow]) -> None:
    """Insert the pages that are not there yet, in the order of their keys, so that two writers cannot deadlock."""
    ordered = sorted(rows, key=lambda row: (row.shard_key, row.page_id))
    if ordered:
        await conn.execute(
            _WRITE_PAGES,
            [row.shard_key for row in ordered],
            [row.page_id for row in ordered],
            [row.path for row in ordered],
        )


async def write_elements(conn: Conn, rows: Iterable[ElementRow]) -> None:
    """Insert the elements that are not there yet, in the order of their keys."""
    ordered = sorted(rows, key=lambda row: (row.shard_key, row.element_id))
    if ordered:
        await conn.execute(
            _WRITE_ELEMENTS,
            [row.shard_key for row in ordered],
            [row.element_id for row in ordered],
            [row.parent_id for row in ordered],
            [row.key for row in ordered],
        )


async def load_pages(conn: Conn, keys: Sequence[ShardKey]) -> dict[PageId, str]:
    """Return the path of every page of a site."""
    rows = await conn.fetch(_LOAD_PAGES, keys)
    return {PageId(row["page_id"]): row["path"] for row in rows}


async def load_page(conn: Conn, keys: Sequence[ShardKey], page_id: PageId) -> str | None:
    """Return the path of one page of a site, None where no view of it was ever stored."""
    path: str | None = await conn.fetchval(_LOAD_PAGE, keys, page_id)
    return path


async def load_elements(conn: Conn, keys: Sequence[ShardKey], ids: Sequence[int]) -> dict[ElementId, Element]:
    """Return what is known of these elements or sections; unknown ids are left out."""
    rows = await conn.fetch(_LOAD_ELEMENTS, keys, ids)
    return {ElementId(row["element_id"]): Element(row["key"], row["parent_id"]) for row in rows}
