"""The names that batches carry: paths and element keys, and the ids that facts carry instead. Pure.

The same few names come again and again, and working out one costs ten times as much as finding it here.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from collector.catalog import ElementRow, PageRow
from collector.ids import ElementId, PageId, ShardKey, text_id
from collector.paths import canonical_path
from collector.sites import Site
from collector.snippet import SnippetFlag

_MAX_CHARS = 4_000_000
"""Characters of the names of each kind in memory: 16 MB at the very most, and about as much around them."""
_NAME_CHARS = 200
"""What a name weighs beside its characters."""

_Key = TypeVar("_Key")
_Row = TypeVar("_Row")


class _Shelf(Generic[_Key, _Row]):
    """Rows by what names them; when there are too many all are forgotten, which costs less than knowing the oldest."""

    def __init__(self) -> None:
        self.rows: dict[_Key, _Row] = {}
        self._chars = 0

    def put(self, key: _Key, row: _Row, chars: int) -> None:
        self._chars += chars + _NAME_CHARS
        if self._chars > _MAX_CHARS:
            self.rows.clear()
            self._chars = chars + _NAME_CHARS
        self.rows[key] = row


def canonical_page(site: Site, path: str) -> str:
    """Return the path under which a site counts the visits of a page, by the rules of the site."""
    return canonical_path(path, site.params, has_hash_routes=bool(site.snippet_flags & SnippetFlag.HASH_ROUTES))


class NameBook:
    """Pages and elements by the names that batches give them."""

    def __init__(self) -> None:
        self._pages: _Shelf[tuple[object, ...], PageRow] = _Shelf()
        self._elements: _Shelf[tuple[ShardKey, int, str], ElementRow] = _Shelf()
        self._whole: _Shelf[tuple[ShardKey, str], ElementRow] = _Shelf()

    def page_of(self, key: ShardKey, path: str, site: Site) -> PageRow:
        """Return the page of a path as it came."""
        place: tuple[object, ...] = (key, path)
        if "?" in path or "#" in path:
            place = (key, path, site.params, site.snippet_flags)  # an owner may change them
        page = self._pages.rows.get(place)
        if page is None:
            canonical = canonical_page(site, path)
            page = PageRow(key, PageId(text_id(canonical)), canonical)
            self._pages.put(place, page, len(path) + len(canonical))
        return page

    def elements_of(self, key: ShardKey, entries: Sequence[str | tuple[int, str]]) -> list[ElementRow]:
        """Return the element of each entry: a whole key, or a pair: its parent (−1: none) and one step more."""
        rows: list[ElementRow] = []
        for entry in entries:
            if isinstance(entry, str):
                row = self.chain_of(key, entry)[-1] if (known := self._whole.rows.get((key, entry))) is None else known
            else:
                row = self._child_of(key, rows[entry[0]] if entry[0] >= 0 else None, entry[1])
            rows.append(row)
        return rows

    def chain_of(self, key: ShardKey, text: str) -> list[ElementRow]:
        """Return the elements that a whole key names, from its anchor down."""
        rows: list[ElementRow] = []
        for step in text.split(">"):
            rows.append(self._child_of(key, rows[-1] if rows else None, step))
        self._whole.put((key, text), rows[-1], len(text))
        return rows

    def _child_of(self, key: ShardKey, above: ElementRow | None, step: str) -> ElementRow:
        place = (key, above.element_id if above else 0, step)  # no id is 0
        row = self._elements.rows.get(place)
        if row is None:
            row = _name_element(key, above, step)
            self._elements.put(place, row, len(step) + len(row.key))
        return row


def _name_element(key: ShardKey, above: ElementRow | None, step: str) -> ElementRow:
    text = step if above is None else f"{above.key}>{step}"
    return ElementRow(key, ElementId(text_id(text)), None if above is None else above.element_id, text)
