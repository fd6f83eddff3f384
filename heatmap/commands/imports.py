"""`jalki import`: recorded batches, through the same judging and storing as live ones."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO

import click
import msgspec

from collector import importer, sites
from collector.ids import SiteId
from collector.settings import Settings
from heatmap.commands.place import open_place_pool, settings_options
from heatmap.commands.running import run
from heatmap.commands.terminal import command, json_option, print_answer

_BAR_STEP_BYTES = 1 << 16  # a bar that moves for each line would cost more than the lines


class ImportAnswer(msgspec.Struct, frozen=True):
    """What became of the recorded batches."""

    site_id: int
    stored: int
    duplicates: int
    dropped: dict[str, int]


@command("import", example="jalki import --site 1 recording.ndjson")
@click.argument("file", type=click.File("rb"))
@click.option("--site", "site_id", type=int, required=True, help="Number of the site (jalki site list).")
@settings_options()
@json_option
def import_file(settings: Settings, file: BinaryIO, site_id: int, *, as_json: bool) -> None:
    """Store recorded batches from FILE ("-": standard input) as of the time they were received.

    One JSON object a line: {"at": received in ms since 1970, "ip": address, "ua": user agent, "body": batch}. A batch that
    is stored already is not stored again, so an import that was interrupted can be repeated.
    """
    answer = run(_import(settings, SiteId(site_id), file))
    print_answer(answer, _text(answer), as_json=as_json)
