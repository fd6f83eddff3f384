"""Drives a stock Firefox by WebDriver BiDi, straight over the socket that it opens itself.

Playwright drives only its own build. Nothing but what tests need: navigate, evaluate, real pointer, wheel and keys.
"""

import asyncio
import contextlib
import itertools
import json
import re
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

START_TIMEOUT_S = 60
ANSWER_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20
_NAMES = ("firefox-esr", "firefox")
_LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
# It talks to nobody but this machine.
_PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.search.update": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disabled": True,
    "services.settings.server": "",
    "toolkit.telemetry.enabled": False,
}


def find_firefox() -> str | None:
    """Return the path of a Firefox, if there is one."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@dataclass(slots=True)
class Firefox:
    """One tab of a running Firefox."""

    socket: aiohttp.ClientWebSocketResponse
    context: str = ""
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and return its result; events that come in between are left out."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                answer: dict[str, Any] = await self.socket.receive_json()
                if answer.get("id") == number:
                    assert answer["type"] == "success", answer
                    return dict(answer["result"])

    async def open(self, address: str) -> None:
        """Load a page and wait for it."""
        await self.call("browsingContext.navigate", context=self.context, url=address, wait="complete")

    async def look_elsewhere(self) -> None:
        """Open another tab in front of the page, which hides it."""
        await self.call("browsingContext.create", type="tab", referenceContext=self.context)

    async def look_back(self) -> None:
        """Bring the page to the front again."""
        await self.call("browsingContext.activate", context=self.context)

    async def resize(self, width: int, height: int) -> None:
        """Make the page's window so large."""
        viewport = {"width": width, "height": height}
        await self.call("browsingContext.setViewport", context=self.context, viewport=viewport)

    async def evaluate(self, expression: str) -> Any:
        """Return what an expression, or the promise that it is, comes to; it must be plain data."""
        answer = await self.call(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))",
            target={"context": self.context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    async def move(self, x: float, y: float, duration_ms: int = 0) -> None:
        """Move the mouse to a place of the viewport."""
        await self._point([_to(x, y, duration_ms)])

    async def click(self, x: float, y: float, button: int = 0) -> None:
        """Press and let go of a mouse button there."""
        down, up = {"type": "pointerDown", "button": button}, {"type": "pointerUp", "button": button}
        await self._point([_to(x, y, 0), down, up])

    async def wheel(self, x: int, y: int, by_px: int) -> None:
        """Turn the wheel there."""
        turn = {"type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": by_px}
        await self._perform({"type": "wheel", "id": "wheel", "actions": [turn]})

    async def press(self, key: str) -> None:
        """Press a key and let go of it."""
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        await self._perform({"type": "key", "id": "keyboard", "actions": actions})

    async def _point(self, actions: Sequence[dict[str, Any]]) -> None:
        source = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}
        await self._perform(source)

    async def _perform(self, source: dict[str, Any]) -> None:
        await self.call("input.performActions", context=self.context, actions=[source])


@asynccontextmanager
async def running_firefox(path: str) -> AsyncIterator[Firefox]:
    """Start a headless Firefox on a profile of its own and yield its one tab."""
    with _profile() as profile:
        process = await asyncio.create_subprocess_exec(
            *(path, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"),
            stdout=DEVNULL,
            stderr=PIPE,
        )
        try:
            address = await _read_address(process)
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(f"{address}/session", max_msg_size=0) as ws,
            ):
                firefox = Firefox(ws)
                await firefox.call("session.new", capabilities={})
                # Without a screen the first window never gets the focus, and a second one does.
                created = await firefox.call("browsingContext.create", type="window")
                firefox.context = created["context"]
                yield firefox
        finally:
            await _stop(process)


@contextlib.contextmanager
def _profile() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="jalki-test-", ignore_cleanup_errors=True) as folder:
        Path(folder, "user.js").write_text(_spell_preferences())
        yield folder


async def _read_address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(START_TIMEOUT_S):
        async for line in process.stderr:
            found = _LISTENING.search(line.decode("utf-8", "replace"))
            if found:
                return found[1]
    raise AssertionError("Firefox ended before it listened")


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        # What it still has to say must be read, or it waits for a reader for ever.
        await asyncio.wait_for(process.communicate(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _to(x: float, y: float, duration_ms: int) -> dict[str, Any]:
    return {"type": "pointerMove", "x": round(x), "y": round(y), "duration": duration_ms}


def _spell_preferences() -> str:
    return "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items())
