"""Runs the real `jalki` as a user would: as a process group of its own, read through its ready line."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

READY_PREFIX = "jalki ready: "
START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 20


@dataclass(slots=True)
class Service:
    """A running `jalki up`; `url` has no trailing slash."""

    process: asyncio.subprocess.Process
    data: Path
    url: str
    sign_in_url: str

    async def stop(self) -> int:
        """End the service as Ctrl-C does and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)

    async def kill_group(self) -> None:
        """Kill −9 every process of the service at once, Postgres included."""
        for pid in _group_members(self.process.pid):
            _kill(pid)
        await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)


async def start_service(data: Path, *arguments: str) -> Service:
    """Start `jalki up` on `data` and a free port; return when it says that it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heatmap", "up", "--data", str(data), "--port", "0", *arguments),
        stdout=asyncio.subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )
    assert process.stdout is not None
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            line = (await process.stdout.readline()).decode()
            assert line, f"jalki up ended with {await process.wait()} before it was ready"
            if line.startswith(READY_PREFIX):
                sign_in_url = line.removeprefix(READY_PREFIX).strip()
                url = sign_in_url.split("/sign-in", 1)[0].rstrip("/")
                return Service(process, data, url, sign_in_url)


async def run_command(data: Path, *arguments: str) -> dict[str, object]:
    """Run one `jalki` command with `--json` on the service's data and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heatmap", *arguments, "--data", str(data), "--json"),
        stdout=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    async with asyncio.timeout(START_TIMEOUT_S):
        out, _ = await process.communicate()
    assert process.returncode == 0, f"jalki {' '.join(arguments)} ended with {process.returncode}"
    return json.loads(out)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("JALKI_")}


def _group_members(group: int) -> list[int]:
    """Return the pids whose session is the service's; its children stay in it, whatever group they are in."""
    pids = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == group:
            pids.append(int(entry.name))
    return pids


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
