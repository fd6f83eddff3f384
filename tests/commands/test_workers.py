"""`--workers N`: processes that share a port, and what happens when one of them dies."""

import asyncio
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from dashboard_house import make_view
from processes import TIMEOUT_S, UNLIMITED, end_of, ready, run

from collector.db import Pool
from collector.errors import SettingsError
from collector.settings import Settings, dump_settings, load_settings
from collector.sites import NewSite, Site, add_site
from heatmap.commands import workers
from heatmap.commands.web import bind_socket

COLLECTOR = ("collector", "--workers", "2", "--port", "0", "--database-url")


async def test_processes_share_the_port_and_the_database(postgres_url: str, pool: Pool) -> None:
    """Both processes take connections, store what they acknowledge, and either tells the figures of both."""
    site = await _add_site(pool)
    async with ready(*COLLECTOR, postgres_url, environ=UNLIMITED) as service:
        statuses = [await _post(service.url, site) for _ in range(40)]
        counted = await _until_counted(service.url, 40)

    assert statuses == [204] * 40
    assert counted == 40
    # 16 bits of a flush's id tell who made it.
    assert await pool.fetchval("select count(distinct flush_id >> 6 & 65535) from ledger") == 2
    assert await pool.fetchval("select count(*) from ledger") == 40


async def test_a_killed_process_is_replaced_and_no_connection_is_refused(postgres_url: str, pool: Pool) -> None:
    """Connections that the kernel gives to the dead one wait for the next one and are answered."""
    site = await _add_site(pool)
    async with ready(*COLLECTOR, postgres_url, environ=UNLIMITED) as service:
        killed, other = service.children()
        gone = asyncio.create_task(end_of(killed))
        await asyncio.sleep(0)
        os.kill(killed, signal.SIGKILL)
        await gone
        statuses = await asyncio.gather(*(_post(service.url, site) for _ in range(30)))
        now = service.children()

    assert statuses == [204] * 30
    assert len(now) == 2
    assert other in now
    assert killed not in now
    assert any("ended with -9; starting it again" in line for line in service.log)


async def test_processes_die_with_their_parent(postgres_url: str) -> None:
    """`kill -9` of the parent leaves nobody behind and frees the port."""
    async with ready(*COLLECTOR, postgres_url) as service:
        ends = [asyncio.create_task(end_of(pid)) for pid in service.children()]
        await asyncio.sleep(0)
        service.process.kill()
        await asyncio.gather(*ends)
        await service.process.wait()

    bind_socket("127.0.0.1", service.port).close()


async def test_another_parent_may_not_join_the_port(postgres_url: str) -> None:
    """The port is shared by the processes of one parent only; a second one is told that it is in use."""
    async with ready(*COLLECTOR, postgres_url) as service:
        words = ("collector", "--workers", "2", "--port", str(service.port), "--database-url", postgres_url)
        code, out, err = await run(*words)

    assert (code, out) == (4, "")
    assert err.startswith(f"jalki: cannot listen on 127.0.0.1:{service.port}: it is in use")


async def test_a_process_that_cannot_start_ends_the_command(empty_postgres_url: str) -> None:
    """Where starting again would not help it is not tried: exit code 1, and the log says why."""
    code, out, err = await run(*COLLECTOR, empty_postgres_url)

    assert (code, out) == (1, "")
    assert "run `jalki migrate` on it first" in err
    assert "before it was ready" in err


async def test_the_dashboard_is_the_same_from_each_process(open_folder: Path) -> None:
    """One sign-in holds on every connection, and a site made on one is known on all."""
    words = ("up", "--workers", "2", "--port", "0", "--data", str(open_folder))
    # Each request takes a connection of its own, and the kernel chooses who answers it.
    connector, jar = aiohttp.TCPConnector(force_close=True), aiohttp.CookieJar(unsafe=True)
    async with ready(*words) as service, aiohttp.ClientSession(connector=connector, cookie_jar=jar) as http:
        origin = {"Origin": service.url}
        token = service.ready["sign_in_url"].partition("token=")[2]
        await http.post(f"{service.url}/sign-in", data={"token": token}, headers=origin)
        site = {"name": "Shop", "origin": "https://shop.example"}
        await http.post(f"{service.url}/sites/new", data=site, headers=origin)
        pages = [(await http.get(f"{service.url}/sites/1")).url.path for _ in range(20)]

    assert set(pages) == {"/sites/1"}


def test_the_rate_of_a_site_is_shared_out() -> None:
    """A site's visitors are spread over all processes, and so is what it may send; a sender's connection is not."""
    shared = workers.share_out(Settings(workers=3, site_rate=100, address_rate=50))

    assert (shared.site_rate, shared.address_rate) == (34, 50)


def test_settings_pass_through_the_environment_unchanged() -> None:
    """A process has the very settings of its parent, options of the command included."""
    settings = Settings(database_url="postgresql://u:p@h/d", port=1234, workers=3, linger_ms=0)

    assert load_settings(dump_settings(settings)) == settings


def test_only_linux_spreads_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the command says so, and what to do instead."""
    monkeypatch.setattr(workers.sys, "platform", "darwin")
    with bind_socket("127.0.0.1", 0) as sock, pytest.raises(SettingsError, match="only Linux spreads connections"):
        workers.share_port(sock, 2)


async def _add_site(pool: Pool) -> Site:
    async with pool.acquire() as conn:
        return await add_site(conn, NewSite(name="Shop"), "workersKey01", datetime.now(UTC))


async def _post(url: str, site: Site) -> int:
    """Send a batch on a connection of its own."""
    async with aiohttp.ClientSession() as http, http.post(f"{url}/v1/events", json=make_view(site)) as answer:
        return answer.status


async def _until_counted(url: str, wanted: int) -> int:
    """Return how many batches the metrics of all processes count as stored, once they are as many as wanted."""
    async with asyncio.timeout(TIMEOUT_S), aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"{url}/metrics") as answer:
                found = re.search(r'jalki_collector_answers_total{outcome="stored"} (\d+)', await answer.text())
            if found and int(found[1]) >= wanted:
                return int(found[1])
            await asyncio.sleep(0.05)  # processes write their figures once a second
