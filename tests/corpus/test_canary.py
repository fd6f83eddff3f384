"""A page full of secrets: all of it is typed, pressed, copied and selected, and none of it is ever sent or stored."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest
from playwright.async_api import Browser, Page
from running_part import RunningPart, running_part

from collector import accounts, db
from collector.accounts import Scope
from collector.ids import SignalKind
from collector.sites import NewSite, add_site

from .canary_site import Tap, secret_site, tapping
from .corpus_site import SIGNALS
from .secrets_sought import SECRETS, find_secrets

pytestmark = pytest.mark.browser

KEY = "canaryKey_01"
SETTLE_TIMEOUT_S = 60
FIELDS = {
    "input[name=password]": "password",
    "input[name=card]": "card",
    "input[name=iban]": "iban",
    "input[name=email]": "email",
    "input[name=phone]": "phone",
    "input[name=ssn]": "national_id",
    "textarea[name=note]": "typed_note",
    "#editable": "editable_note",
    "#box": "role_note",
    "input[name=masked-field]": "masked_note",
    "input[name=ignored-field]": "ignored_name",
    "#host input": "shadow_note",
}
REST = "new Promise((done) => setTimeout(() => requestIdleCallback(done, {timeout: 500}), 1000))"
"""So long what was selected last stands, for it is told only once it does."""
PRESSED = "a, h1, h2, h3, section > p, img, label, summary, button, #host h3, #host button, select"
TABLES = "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname !~ '^(pg_|information_schema)'"
ACCOUNT = (
    f"/account?token={SECRETS['url_token']}&email={quote(SECRETS['email'])}#access_token={SECRETS['fragment_token']}"
)
STAY = "addEventListener('click', (event) => event.composedPath().find((node) => node.href) && event.preventDefault())"
AUTOFILL = """(values) => {
  for (const [selector, value] of values) {
    const field = document.querySelector(selector);
    field.value = value;
    for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, {bubbles: true}));
  }
}"""


@dataclass(slots=True)
class Service:
    """A real collector with its worker and dashboard."""

    parts: Sequence[RunningPart]
    conn_url: str
    token: str
    site_id: int
    folder: Path

    async def read_all(self) -> list[bytes]:
        """Return everything that it stores, logs and gives out."""
        log = "\n".join(line for part in self.parts for line in part.log)
        files = [path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return [log.encode(), *files, *await self._dump(), *await self._export()]

    async def wait_until_counted(self) -> None:
        """Return once nothing waits for the worker any more."""
        async with db.connection(self.conn_url) as conn, asyncio.timeout(SETTLE_TIMEOUT_S):
            while await conn.fetchval("select exists (select from ledger where not settled)"):  # noqa: ASYNC110  # another process sets no event here
                await asyncio.sleep(0.1)

    async def _dump(self) -> list[bytes]:
        async with db.connection(self.conn_url) as conn:
            tables = [row[0] for row in await conn.fetch(TABLES)]
            return [b"\n".join(await _rows(conn, table)) for table in tables]

    async def _export(self) -> list[bytes]:
        base = f"{self.parts[1].url}/api/v1/sites/{self.site_id}"
        headers = {"Authorization": f"Bearer {self.token}"}
        paths = (
            "heatmap.json?page=/account&kind=click",
            "engagement.json?page=/account",
            "engagement.csv?page=/account",
        )
        found = []
        async with aiohttp.ClientSession(headers=headers) as session:
            for path in paths:
                async with session.get(f"{base}/{path}") as answer:
                    found.append(await answer.read())
                    assert answer.status == 200, found[-1]
        return found


async def test_no_secret_is_sent_or_stored(
    chromium: Browser, postgres_url: str, open_folder: Path, tmp_path: Path
) -> None:
    """Not in an address, a head or a body that leaves the browser; not in Postgres, a log, a file or an export."""
    async with _service(postgres_url, open_folder) as service, _tapped(service) as (tap, origin):
        await _visit(chromium, tap, origin, tmp_path)
        await service.wait_until_counted()
        stored = await service.read_all()

        assert tap.refusals == []
        assert tap.arrivals.faults == []
        _assert_that_much_was_said(tap)
        assert find_secrets(*tap.passed) == []
        assert find_secrets(*stored) == []


def test_the_search_finds_what_it_looks_for() -> None:
    """Spelled as it is, without spaces, in an address, as a key's words, in hexadecimal and in base64."""
    spellings = (
        b'{"s":"4539148803436467"}',
        b"GET /v1/events?x=aino.canarynen%40example.fi",
        b"h2[patient-helmi-maskelynen]",
        SECRETS["typed_note"].encode().hex().encode(),
        b"a3lha3lha215IGtuZWUgaHVydHMgc2luY2UgVHVlc2RheSA=",
    )
    assert [bool(find_secrets(spelling)) for spelling in spellings] == [True] * len(spellings)
    assert find_secrets(b"nothing of the kind") == []


def _assert_that_much_was_said(tap: Tap) -> None:
    """The run proves nothing where the snippet was silent."""
    arrivals = tap.arrivals
    kinds = {SignalKind(signal.kind) for signal in arrivals.signals()}
    assert len(arrivals.clicks()) >= 30
    assert len(arrivals.moves()) >= 10
    assert any("l" in batch for batch in arrivals.batches)
    assert any("u" in batch["w"] for batch in arrivals.batches)
    assert {SignalKind.ERROR, SignalKind.SELECTION, SignalKind.COPY, SignalKind.FIELD, SignalKind.EVENT} <= kinds
    assert any('"plan":"gold"' in signal.text for signal in arrivals.signals(SignalKind.EVENT))


async def _visit(browser: Browser, tap: Tap, origin: str, folder: Path) -> None:
    context = await browser.new_context(viewport={"width": 1200, "height": 800}, accept_downloads=True)
    try:
        await context.add_init_script(STAY)
        page = await context.new_page()
        await page.goto(f"{origin}/login?email={quote(SECRETS['email'])}")
        await page.evaluate("(address) => location.assign(address)", ACCOUNT)
        await page.wait_for_selector("#editable")
        await page.wait_for_function("window.jalki?.v || window.jalki")
        await tap.arrivals.wait_for(lambda came: any("l" in batch for batch in came.batches))
        await _type_all(page, folder)
        await _press_all(page)
        await page.evaluate("jalki('consent', 'granted')")
        await tap.arrivals.wait_for(lambda came: any("u" in batch["w"] for batch in came.batches))
        await page.goto(f"{origin}/account?jalki_debug=1&token={SECRETS['url_token']}")
        await page.click("#masked")
        await page.goto(f"{origin}{ACCOUNT}")
        await page.click("#says")
        known = len(tap.arrivals.batches)
        await page.goto("about:blank")
        await tap.arrivals.wait_for(lambda came: len(came.batches) > known)
    finally:
        await context.close()


async def _type_all(page: Page, folder: Path) -> None:
    for selector, name in FIELDS.items():
        await page.click(selector)
        await page.keyboard.type(SECRETS[name])
    frame = page.frame_locator("#frame")
    for selector in ("input[name=diary]", "#diary"):
        await frame.locator(selector).click()
        await page.keyboard.type(SECRETS["frame_note"])
    await page.click("#words", click_count=3)
    await page.keyboard.press("Control+C")
    await page.click("textarea[name=note]")
    await page.keyboard.press("Control+V")
    await page.evaluate(
        AUTOFILL, [["input[name=react]", SECRETS["attribute_copy"]], ["input[name=card]", SECRETS["card"]]]
    )
    await page.select_option("select", SECRETS["option_value"])
    upload = folder / SECRETS["file_name"]
    upload.write_text("nothing")
    await page.set_input_files("input[type=file]", upload)


async def _press_all(page: Page) -> None:
    for element in await page.locator(PRESSED).element_handles():
        if await element.is_visible():
            await element.click(force=True)
    await page.frame_locator("#frame").locator("button").click()
    for name in ("button", "h2"):
        await page.locator(f"[data-jalki-mask] {name}").first.click(click_count=3)
    await page.evaluate(REST)
    await page.locator("#payment button").click()
    await page.mouse.wheel(0, 300)


@asynccontextmanager
async def _tapped(service: Service) -> AsyncIterator[tuple[Tap, str]]:
    async with (
        tapping(service.parts[0].url, KEY, SIGNALS) as tap,
        secret_site(f"{tap.url}/s/{KEY}.js", ACCOUNT) as origin,
    ):
        yield tap, origin


@asynccontextmanager
async def _service(url: str, folder: Path) -> AsyncIterator[Service]:
    now = datetime.now(UTC)
    async with db.connection(url) as conn:
        site = await add_site(conn, NewSite("Canary"), KEY, now)
        _, token = await accounts.add_api_token(
            conn, site.site_id, Scope.EXPORT, secrets.token_bytes(accounts.SECRET_BYTES), now
        )
    async with AsyncExitStack() as stack:
        environ = {"JALKI_DATA_DIR": str(folder / "data")}
        parts = await asyncio.gather(
            *(
                stack.enter_async_context(running_part(name, "--database-url", url, *more, environ=environ))
                for name, more in (("collector", ("--port", "0")), ("dashboard", ("--port", "0")), ("worker", ()))
            )
        )
        yield Service(parts, url, token, site.site_id, folder)


async def _rows(conn: asyncpg.Connection, table: str) -> list[bytes]:
    # The names come from the catalogue of this test's own database.
    return [str(row[0]).encode() for row in await conn.fetch(f"select t::text from {table} t")]
