"""Fixtures that every room's tests share: a real Postgres, a fresh database per test, a real Chromium.

All tests and async fixtures run on one event loop per session (pyproject.toml), so that the browser can be shared.
"""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
import pytest_asyncio
from find_browser import find_browser, find_engine
from playwright.async_api import Browser, async_playwright

from collector import db
from collector.embedded import EmbeddedPostgres, start_postgres

_TEMPLATE = "template_jalki"
_CLOSE_TIMEOUT_S = 10
_numbers = itertools.count(1)
_T = TypeVar("_T")

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
VISITOR_FLAGS = [f"--user-agent={USER_AGENT}", "--disable-blink-features=AutomationControlled"]
"""What makes a visitor's browser of it: one that says that it is headless and driven is counted with the bots."""
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    # Pages of other people name other hosts. Not by routing: a request that is held there is lost with its page.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """The id of bytes among a test's parameters: the parameter's name, which pytest numbers, never the bytes.

    Bytes may differ from run to run (gzip writes the time), and workers that collect different ids refuse to start.
    """
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def _own_spools(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Commands that tests start with no folder of their own keep their spools here, not in the user's."""
    os.environ["JALKI_SPOOL_DIR"] = str(tmp_path_factory.mktemp("spools"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users may enter, unlike `tmp_path`: as root, Postgres runs as another user."""
    with _open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The embedded Postgres of this session, with a migrated template database."""
    with _open_folder() as folder:
        server = _run(start_postgres(folder))
        try:
            _run(_make_template(server))
            yield server
        finally:
            _run(server.stop())


@pytest_asyncio.fixture
async def postgres_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The address of a fresh, migrated database of this test's own."""
    name = f"test_{next(_numbers)}"
    control = await asyncpg.connect(postgres.database_url("postgres"))
    try:
        await control.execute(f"create database {name} template {_TEMPLATE}")
        yield postgres.database_url(name)
        await control.execute(f"drop database {name} with (force)")
    finally:
        await control.close()


@pytest_asyncio.fixture
async def empty_postgres_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The address of a fresh database without any schema."""
    name = f"test_{next(_numbers)}"
    control = await asyncpg.connect(postgres.database_url("postgres"))
    try:
        await control.execute(f"create database {name}")
        yield postgres.database_url(name)
        await control.execute(f"drop database {name} with (force)")
    finally:
        await control.close()


@pytest_asyncio.fixture
async def pool(postgres_url: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """A pool on `postgres_url`; a test that keeps a connection fails here."""
    opened = await db.open_pool(postgres_url)
    try:
        yield opened
        await asyncio.wait_for(opened.close(), _CLOSE_TIMEOUT_S)
    finally:
        opened.terminate()


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A real Chromium as visitors have it; open a context of your own in it, which is a fresh profile, and close it."""
    async with _launch_chromium(find_engine(), VISITOR_FLAGS) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session")
async def whole_chromium() -> AsyncIterator[Browser]:
    """The same with what is around the engine: windows that come to the front, a pointer that is nowhere at first."""
    async with _launch_chromium(find_browser(), VISITOR_FLAGS) as browser:
        yield browser


@pytest_asyncio.fixture
async def driven_chromium() -> AsyncIterator[Browser]:
    """A headless Chromium that says what it is, as crawlers drive it."""
    async with _launch_chromium(find_engine(), []) as browser:
        yield browser


@asynccontextmanager
async def _launch_chromium(path: str | None, flags: list[str]) -> AsyncIterator[Browser]:
    if path is None:
        _refuse("no Chromium on PATH or in Playwright's cache; install one or set JALKI_TEST_CHROMIUM")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS + flags)
        try:
            yield browser
        finally:
            await browser.close()


def _refuse(reason: str) -> None:
    """Skip on a developer's machine; fail where the browser tests must run."""
    if os.environ.get("CI") or os.environ.get("JALKI_TEST_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def _open_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="jalki-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _make_template(server: EmbeddedPostgres) -> None:
    control = await asyncpg.connect(server.database_url("postgres"))
    try:
        await control.execute(f"create database {_TEMPLATE}")
        await db.migrate(server.database_url(_TEMPLATE))
        await control.execute(f"alter database {_TEMPLATE} with allow_connections false")
    finally:
        await control.close()


def _run(call: Coroutine[None, None, _T]) -> _T:
    # A loop of its own, which does not become the thread's current one: that belongs to pytest-asyncio.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(call)
