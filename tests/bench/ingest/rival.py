"""What the rivals of our collector have in common: one aiohttp application in a process of its own, at its best."""

import argparse
import asyncio
import gc
import signal
from collections.abc import Callable

import msgspec
import uvloop
from aiohttp import http_parser, web

from .stage import Ready

_BACKLOG = 1024
_COLLECT_AFTER = 50_000  # as ours: cyclic garbage is looked for this rarely


def run_rival(build_app: Callable[[str], web.Application]) -> None:
    """Serve what `build_app` makes of the database's address, until SIGTERM; several may share one port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database-url", default="")
    options = parser.parse_args()
    assert http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy, "aiohttp runs without its C parser"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(build_app(options.database_url), options.port))


async def _serve(app: web.Application, port: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 100)
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True, backlog=_BACKLOG).start()
    host, bound = runner.addresses[0][:2]
    print(msgspec.json.encode(Ready(f"http://{host}:{bound}")).decode(), flush=True)
    await stop.wait()
    await runner.cleanup()
