"""The directory of sites: what it answers from memory, when it asks Postgres, and how it meets floods of keys."""

import asyncio

import pytest
import pytest_asyncio
from wire_batches import NOW

from collector import sites as sites_module
from collector.errors import BusyError, StorageError
from collector.sites import NewSite, SiteDirectory, add_site

NEARLY_S = 0.98
"""So much of the pause between two look-ups is over; the rest is really waited for."""


class CountingDirectory(SiteDirectory):
    """A directory with a clock to turn, which counts its look-ups."""

    def __init__(self, pool) -> None:
        super().__init__(pool, lambda: self.now_s)
        self.now_s = 0.0
        self.loads = 0

    async def _load(self) -> None:
        self.loads += 1
        await super()._load()


@pytest_asyncio.fixture
async def directory(pool) -> CountingDirectory:
    return CountingDirectory(pool)


async def _add(pool, key: str) -> None:
    async with pool.acquire() as conn:
        await add_site(conn, NewSite(name="Shop"), key, NOW)


def _unknown(count: int) -> list[str]:
    return [f"noSuch_{number:04}" for number in range(count)]


async def test_a_known_site_costs_no_query(pool, directory):
    """Batches of known sites never wait for Postgres."""
    await _add(pool, "shopKey_01")

    found = [await directory.find("shopKey_01") for _ in range(50)]

    assert all(site is not None and site.key == "shopKey_01" for site in found)
    assert directory.loads == 1


async def test_a_flood_of_unknown_keys_asks_once_a_second(directory):
    """All keys that are asked for at once share one look-up; for a second after it they are known to be unknown."""
    together = await asyncio.gather(*(directory.find(key) for key in _unknown(500)))
    again = [await directory.find(key) for key in _unknown(500)]
    loads = directory.loads
    directory.now_s += 1
    later = await asyncio.gather(*(directory.find(key) for key in _unknown(500)))

    assert together + again + later == [None] * 1500
    assert (loads, directory.loads) == (1, 2)


async def test_a_key_asked_for_between_two_look_ups_waits_for_the_next(pool, directory):
    """A site added right after a look-up is found by the next one, not held for unknown because of the last."""
    await directory.find("noSuch_key")
    await _add(pool, "shopKey_01")
    directory.now_s = NEARLY_S

    found = await asyncio.gather(*(directory.find("shopKey_01") for _ in range(5)))

    assert all(site is not None for site in found)
    assert directory.loads == 2


async def test_an_unknown_key_is_looked_up_anew_after_a_second(pool, directory):
    """A key that was unknown is found a second later, whatever else was looked up."""
    await directory.find("shopKey_01")
    await _add(pool, "shopKey_01")
    directory.now_s += 1

    assert await directory.find("shopKey_01") is not None


async def test_a_key_asked_for_during_a_look_up_waits_for_one_of_its_own(pool, directory, monkeypatch):
    """A look-up under way may have read the sites before this one was added: only a later one counts."""
    load_sites, reading, may_go_on = sites_module.load_sites, asyncio.Event(), asyncio.Event()

    async def read_and_linger(conn):
        found = await load_sites(conn)
        reading.set()
        await may_go_on.wait()
        return found

    monkeypatch.setattr(sites_module, "load_sites", read_and_linger)
    first = asyncio.create_task(directory.find("noSuch_key"))
    await reading.wait()
    await _add(pool, "shopKey_01")
    directory.now_s = NEARLY_S
    second = asyncio.create_task(directory.find("shopKey_01"))
    await asyncio.sleep(0)
    may_go_on.set()

    assert await first is None
    assert await second is not None


async def test_a_crowd_of_unknown_keys_is_bounded(directory, monkeypatch):
    """Those who find too many waiting are told so, and only as many keys are remembered as may wait."""
    monkeypatch.setattr(sites_module, "_MAX_WAITING", 20)

    results = await asyncio.gather(*(directory.find(key) for key in _unknown(200)), return_exceptions=True)

    assert [type(result) for result in results].count(BusyError) == 180
    assert len(directory._missing) == results.count(None) == 20


async def test_no_key_is_held_for_unknown_while_postgres_is_away(pool, directory):
    """When the look-up fails, everybody who waited for it learns that, and the next one is tried a second later."""
    await _add(pool, "shopKey_01")
    await pool.execute("alter table sites rename to hidden")
    failed = await asyncio.gather(*(directory.find("shopKey_01") for _ in range(20)), return_exceptions=True)
    loads = directory.loads
    await pool.execute("alter table hidden rename to sites")
    directory.now_s += 1

    found = await directory.find("shopKey_01")

    assert {type(failure) for failure in failed} == {StorageError}
    assert loads == 1
    assert found is not None


async def test_nobody_waits_for_long_while_postgres_hangs(pool, directory, monkeypatch):
    """A look-up that gets no answer ends after its time limit, for all who wait for it."""
    monkeypatch.setattr(sites_module, "_LOOK_UP_TIMEOUT_S", 0.1)
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("lock table sites")

        with pytest.raises(StorageError):
            await directory.find("shopKey_01")
