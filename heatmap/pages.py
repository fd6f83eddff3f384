"""Finds the page that an address means, as whoever asks for a map or a report writes it."""

from collector.catalog import load_page
from collector.db import Conn
from collector.errors import NotFoundError
from collector.ids import PageId, text_id
from collector.names import canonical_page
from collector.sites import Site


async def find_page(conn: Conn, site: Site, address: str) -> tuple[PageId, str]:
    """Return the id and the path of a page; one counted under settings that the site has left is found as it stands.

    Raises:
        NotFoundError: the site never had a view of it.
    """
    spelled = canonical_page(site, address)
    for path in dict.fromkeys((spelled, address)):
        page_id = PageId(text_id(path))
        if await load_page(conn, site.shard_keys, page_id) is not None:
            return page_id, path
    raise NotFoundError(f"site {site.site_id} has no page {spelled[:200]}", "See the site's list of pages.")
