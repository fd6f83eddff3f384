"""`jalki up`: one command that starts everything, says when it is ready, and ends in order."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 90
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
STOP_TIMEOUT_S = 30


async def test_up_is_ready_with_a_link_and_stops_in_order(open_folder: Path) -> None:
    """The link signs in, other commands find the service, SIGTERM ends all of it with exit code 0."""
    async with _up("--data", str(open_folder)) as (process, ready):
        page = await asyncio.to_thread(_read, ready["sign_in_url"])
        _, site, _ = await _run("site", "add", "--name", "x", "--origin", ready["url"], "--data", str(open_folder))
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        took_s = time.monotonic() - asked

    assert "<html" in page
    assert ready["url"] in site
    assert code == 0
    assert took_s < STOP_TIMEOUT_S
    assert not (open_folder / "postgres" / "data" / "postmaster.pid").exists()
    assert not (open_folder / "address").exists()


async def test_everything_survives_kill_minus_nine(open_folder: Path) -> None:
    """A site added before the kill is there after the next start, on the same data."""
    async with _up("--data", str(open_folder)) as (process, _):
        await _run("site", "add", "--name", "Kept", "--origin", "https://a.example", "--data", str(open_folder))
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async with _up("--data", str(open_folder)):
        _, listed, _ = await _run("site", "list", "--data", str(open_folder), "--json")

    assert [site["name"] for site in json.loads(listed)["sites"]] == ["Kept"]


async def test_a_worker_that_dies_is_replaced(postgres_url: str, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """The service goes on when its worker is killed: another one connects."""
    find = """
        select pid from pg_stat_activity
        where application_name = 'jalki worker' and datname = current_database() and backend_start > $1
    """
    async with _up("--database-url", postgres_url) as (process, _):
        await _until(lambda: pool.fetchval(find, BEGINNING))
        (child,) = await _children(process.pid)
        killed_at = await pool.fetchval("select clock_timestamp()")
        os.kill(child, signal.SIGKILL)

        assert await _until(lambda: _other_child(process.pid, child))
        assert await _until(lambda: pool.fetchval(find, killed_at))


async def test_a_taken_port_is_said_before_anything_starts(open_folder: Path) -> None:
    """Exit code 4, one line, and no data folder made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = await _run("up", "--data", str(open_folder / "data"), "--port", port)

    assert (code, out) == (4, "")
    assert err.startswith(f"jalki: cannot listen on 127.0.0.1:{port}: it is in use")
    assert err.count("\n") == 1
    assert not (open_folder / "data").exists()


async def test_a_second_up_on_one_folder_is_refused(open_folder: Path) -> None:
    """Exit code 4, and the first one goes on."""
    async with _up("--data", str(open_folder)) as (process, ready):
        code, _, err = await _run("up", "--data", str(open_folder), "--port", "0")
        health = await asyncio.to_thread(_read, f"{ready['url']}/healthz")

    assert code == 4
    assert f"in use by process {process.pid}" in err
    assert health


@asynccontextmanager
async def _up(*words: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, str]]]:
    process = await _start("up", "--port", "0", "--json", *words)
    reader = asyncio.create_task(_drain(process.stderr))
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await process.stdout.readline()
        assert line, "jalki up ended before it was ready"
        yield process, json.loads(line)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        await reader


async def _drain(stream: asyncio.StreamReader | None) -> None:
    assert stream is not None
    await stream.read()


async def _until(look: Callable[[], Awaitable[int | None]]) -> int:
    async with asyncio.timeout(START_TIMEOUT_S):
        while not (found := await look()):  # noqa: ASYNC110  # another process's state sets no event here
            await asyncio.sleep(0.05)
    return found


async def _children(pid: int) -> list[int]:
    text = await asyncio.to_thread(Path(f"/proc/{pid}/task/{pid}/children").read_text)
    return [int(word) for word in text.split()]


async def _other_child(pid: int, child: int) -> int | None:
    return next((one for one in await _children(pid) if one != child), None)


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


async def _run(*words: str) -> tuple[int | None, str, str]:
    process = await _start(*words)
    async with asyncio.timeout(START_TIMEOUT_S):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def _start(*words: str) -> asyncio.subprocess.Process:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JALKI_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heatmap", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean,
        cwd=ROOT,
        start_new_session=True,
    )
