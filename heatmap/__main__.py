"""The `jalki` command: finds the module of the command asked for and runs it."""

import importlib
import sys

import click

from collector import __version__

_COMMANDS = {
    "up": "up:up",
    "demo": "demo:demo",
    "collector": "parts:collector",
    "worker": "parts:worker",
    "dashboard": "parts:dashboard",
    "migrate": "parts:migrate",
    "site": "sites:site",
    "token": "tokens:token",
    "sign-in-link": "tokens:sign_in_link",
    "rescore": "rescore:rescore",
    "import": "imports:import_file",
    "spool": "spools:spool",
    "quarantine": "quarantines:quarantine",
    "doctor": "doctor:doctor",
}
"""Command → module of heatmap.commands and object; only what is asked for is imported, for a start without delay."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, name = place.split(":")
        found = getattr(importlib.import_module(f"heatmap.commands.{module}"), name)
        assert isinstance(found, click.Command)
        return found


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="jalki")
def main() -> None:
    """Self-hosted website heatmaps and content engagement reports.

    `jalki up` runs everything on this machine; `jalki demo` shows it with a sample shop.
    """


if __name__ == "__main__":
    sys.exit(main(prog_name="jalki"))
