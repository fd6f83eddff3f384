"""`jalki up`: everything on one machine, with one command."""

from pathlib import Path

import msgspec

from collector.settings import Settings
from heatmap.commands.place import settings_options
from heatmap.commands.running import log_to_stderr, run_until_stopped
from heatmap.commands.service import Service, running_service
from heatmap.commands.terminal import command, json_option, print_answer


class Ready(msgspec.Struct, frozen=True):
    """What `up` says once it can be used."""

    url: str
    sign_in_url: str
    port: int
    data: str | None


@command("up", example="jalki up --data ./jalki-data --port 8100")
@settings_options(listens=True, shares=True)
@json_option
def up(settings: Settings, *, as_json: bool) -> None:
    """Run everything: Postgres, collector, worker and dashboard.

    Prints one line, "jalki ready: URL", once it can be used. Ctrl-C or SIGTERM stops all of it; nothing is lost.
    """
    log_to_stderr(settings.log_format)
    run_until_stopped(_run(settings, as_json=as_json))


async def announce(service: Service, *, as_json: bool) -> None:
    """Print the ready line."""
    link = await service.sign_in_url()
    data = str(Path(service.settings.data_path())) if service.postgres else None
    ready = Ready(service.base_url, link, service.settings.port, data)
    print_answer(ready, f"jalki ready: {link}", as_json=as_json)


async def _run(settings: Settings, *, as_json: bool) -> None:
    async with running_service(settings) as service:
        await announce(service, as_json=as_json)
        await service.watch()
