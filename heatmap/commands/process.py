"""One of several processes that share a port; only `workers.running_processes` starts it."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import click

from collector.metrics import Metrics
from collector.settings import Settings, load_settings
from heatmap.commands.running import log_to_stderr, run_until_stopped
from heatmap.commands.serving import serving_part
from heatmap.commands.terminal import command
from heatmap.commands.workers import Part


@command("process", example="python -m heatmap.commands.process collector 5 0 /tmp/run")
@click.argument("part", type=click.Choice([part.value for part in Part]))
@click.argument("descriptor", type=int)
@click.argument("number", type=int)
@click.argument("run_dir", type=click.Path(path_type=Path))
def process(part: str, descriptor: int, number: int, run_dir: Path) -> None:
    """Serve PART on the inherited socket DESCRIPTOR; all settings come from the environment.

    It is the process NUMBER of those whose figures are in RUN_DIR.
    """
    settings = load_settings(os.environ)
    log_to_stderr(settings.log_format)
    metrics = Metrics(run_dir, number)
    run_until_stopped(_serve(Part(part), settings, socket.socket(fileno=descriptor), metrics))


async def _serve(part: Part, settings: Settings, sock: socket.socket, metrics: Metrics) -> None:
    with sock:
        async with serving_part(part, settings, sock, metrics):
            click.echo("ready")
            sys.stdout.flush()  # the parent waits for this line
            await asyncio.Event().wait()


if __name__ == "__main__":
    process()
