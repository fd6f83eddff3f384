"""`jalki import`: recorded batches, through the same judging and storing as live ones."""

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import click
import msgspec

from collector import sites
from collector.datacentres import load_ranges
from collector.ids import SiteId
from collector.importer import ImportResult, import_recording
from collector.settings import Settings
from heatmap.commands.place import open_place_pool, settings_options
from heatmap.commands.running import run
from heatmap.commands.terminal import ExitCode, command, json_option, print_answer

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar  # click names the type nowhere else


class FaultAnswer(msgspec.Struct, frozen=True):
    """A line that was refused, counted from 1."""

    line: int
    reason: str
    detail: str


class ImportAnswer(msgspec.Struct, frozen=True):
    """What became of the recorded batches."""

    site_id: int
    lines: int
    stored: int
    duplicates: int
    dropped: dict[str, int]
    faults: list[FaultAnswer]


@command("import", example="jalki import --site 1 recording.ndjson")
@click.argument("file", type=click.File("rb"))
@click.option("--site", "site_id", type=int, required=True, help="Number of the site (jalki site list).")
@settings_options()
@json_option
def import_file(settings: Settings, file: BinaryIO, site_id: int, *, as_json: bool) -> None:
    """Store the recorded batches of FILE ("-": standard input) as of the time they were received.

    One JSON object a line: {"at": received in ms since 1970, "ip": address, "ua": user agent, "body": batch}.
    What is stored already is not stored again: an import that was interrupted can be repeated. Where lines were
    refused, it says which and why, and ends with 1.
    """
    answer = run(_import(settings, SiteId(site_id), file))
    print_answer(answer, _text(answer), as_json=as_json)
    if answer.dropped:
        sys.exit(ExitCode.FAILED)


async def _import(settings: Settings, site_id: SiteId, file: BinaryIO) -> ImportAnswer:
    ranges = load_ranges(settings.datacentre_ranges)
    async with open_place_pool(settings) as (_, pool):
        async with pool.acquire() as conn:
            site = await sites.load_site(conn, site_id)
        reader = _Reader(file)
        total = _size(file)
        bar: ProgressBar[int] = click.progressbar(
            length=total, label="importing", file=sys.stderr, hidden=not sys.stderr.isatty()
        )
        with bar:
            result = await import_recording(
                pool, site, reader.lines(), lambda _lines: bar.update(reader.take_bytes()), ranges=ranges
            )
    return _build_answer(site_id, result)


@dataclass(slots=True)
class _Reader:
    """Reads lines and knows how many bytes they had: how many lines a file has is not known beforehand."""

    file: BinaryIO
    read_bytes: int = 0

    def lines(self) -> Iterator[bytes]:
        for line in self.file:
            self.read_bytes += len(line)
            yield line

    def take_bytes(self) -> int:
        taken, self.read_bytes = self.read_bytes, 0
        return taken


def _size(file: BinaryIO) -> int | None:
    state = os.fstat(file.fileno())
    return state.st_size if stat.S_ISREG(state.st_mode) else None


def _build_answer(site_id: SiteId, result: ImportResult) -> ImportAnswer:
    faults = [FaultAnswer(fault.line, fault.reason.value, fault.detail) for fault in result.faults]
    dropped = {reason.value: count for reason, count in sorted(result.dropped.items())}
    return ImportAnswer(site_id, result.lines, result.stored, result.duplicates, dropped, faults)


def _text(answer: ImportAnswer) -> str:
    lines = [f"{answer.stored} batches stored, {answer.duplicates} were stored already"]
    lines += [f"{count} refused: {reason}" for reason, count in answer.dropped.items()]
    lines += [f"line {fault.line}: {fault.reason}: {fault.detail}" for fault in answer.faults]
    return "\n".join(lines)
