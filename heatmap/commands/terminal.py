"""How every command speaks: examples in --help, one clear line for an error, exit codes, text or JSON."""

import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import asyncpg
import click
import msgspec

from collector.errors import AddressError, FolderInUseError, JalkiError, NotFoundError, RequestError, SettingsError


class ExitCode(IntEnum):
    """What a command ends with."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    IN_USE = 4


EXIT_CODES = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "it failed, or something is wrong",
    ExitCode.USAGE: "an option, argument or setting has no meaning",
    ExitCode.NOT_FOUND: "the site or token asked for does not exist",
    ExitCode.IN_USE: "the port or the data folder is in use",
}
"""What each code means; `--help` of every command and the README say it."""

_CODES: tuple[tuple[type[JalkiError], ExitCode], ...] = (
    (SettingsError, ExitCode.USAGE),
    (NotFoundError, ExitCode.NOT_FOUND),
    (RequestError, ExitCode.USAGE),
    (AddressError, ExitCode.IN_USE),
    (FolderInUseError, ExitCode.IN_USE),
)


class Command(click.Command):
    """A command whose help ends with an example and the exit codes, and whose errors are one line."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:  # click's signature
        super().__init__(*args, **kwargs)
        self.example = example

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (JalkiError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            click.echo(f"jalki: {one_line(error)}", err=True)
            ctx.exit(exit_code(error))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        """Write the example and the exit codes."""
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in EXIT_CODES.items()])


def command(name: str, *, example: str) -> Callable[[Callable[..., object]], Command]:
    """Return a decorator that makes a `Command`."""
    return click.command(name, cls=Command, example=example)


def one_line(error: Exception) -> str:
    """Return what a person needs to know of an error."""
    hint = error.hint if isinstance(error, RequestError) else ""
    return " ".join(f"{error}{': ' if hint else ''}{hint}".split()) or type(error).__name__


def exit_code(error: Exception) -> ExitCode:
    """Return the code that a command ends with after `error`."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document for programs.")


def print_answer(answer: msgspec.Struct, text: str, *, as_json: bool) -> None:
    """Print what a command found out: `text` for people, `answer` as one line of JSON for programs."""
    click.echo(msgspec.json.encode(answer).decode() if as_json else text)
    sys.stdout.flush()  # a reader of a pipe waits for the ready line


def build_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return left-aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows))
    return "\n".join(line.rstrip() for line in lines)
