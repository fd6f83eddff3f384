"""Runs coroutines until they end or the operator asks to stop."""

import asyncio
import logging
import resource
import signal
import sys
from collections.abc import Coroutine
from typing import TypeVar

import uvloop

from heatmap.commands.discretion import build_formatter, hush_server

_T = TypeVar("_T")
_MOST_FILES = 65_536  # a connection is an open file; systems allow 1,024 unless asked


def run(main: Coroutine[None, None, _T]) -> _T:
    """Return the result of `main`, run to its end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def run_until_stopped(main: Coroutine[None, None, None]) -> None:
    """Run a service: SIGINT or SIGTERM cancels it once, at any moment, and its clean-up then runs undisturbed."""
    raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_cancel_on_signal(main))


def raise_file_limit() -> None:
    """Let this process have as many connections as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def log_to_stderr(log_format: str) -> None:
    """Send the log of a service to stderr, without addresses and targets of requests."""
    hush_server()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(build_formatter(log_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


async def _cancel_on_signal(main: Coroutine[None, None, None]) -> None:
    task = asyncio.create_task(main)
    stop = asyncio.Event()

    def ask_to_stop() -> None:
        if not stop.is_set():
            stop.set()
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
