"""The README says what the code does: each table is compared with its source."""

import re
from pathlib import Path

import click
import pytest

from collector.bots import WEIGHTS
from collector.settings import describe
from collector.snippet import SnippetFlag
from collector.wire import DropReason
from heatmap.__main__ import main
from heatmap.commands.script_options import PARAMS_MEANING, SWITCHES

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def _rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    """The settings table is `settings.describe()`, row by row."""
    expected = [[f"`{name}`", f"`{default}`" if default else "–", meaning] for name, default, meaning in describe()]

    assert _rows("Settings") == expected


def test_readme_lists_every_drop_reason_with_its_status_and_remedy() -> None:
    """The table of refusals is `wire.DropReason`, row by row."""
    expected = [[f"`{reason.value}`", str(reason.status), reason.hint] for reason in DropReason]

    assert _rows("When a batch is refused") == expected


def test_readme_lists_every_sign_of_a_bot_with_its_weight() -> None:
    """The table of signs is `bots.WEIGHTS`, row by row."""
    expected = [[f"`{sign.name}`", str(sign.value), str(weight)] for sign, weight in WEIGHTS.items()]

    assert [row[:3] for row in _rows("Bots")] == expected


def test_readme_lists_every_command() -> None:
    """Each command and subcommand that `jalki --help` knows stands in the table, and no other."""
    written = set(re.findall(r"`jalki ([a-z -]+)`", "\n".join(row[0] for row in _rows("Commands"))))

    assert written == set(_command_names(main, click.Context(main)))


def test_readme_lists_every_setting_of_a_sites_script() -> None:
    """The table is what `jalki site edit --help` says of them, with what a new site has."""
    expected = [["`--params`", "–", PARAMS_MEANING]]
    for switch in SWITCHES:
        yes, no = switch.option.split("/")
        is_default = bool(switch.flag & SnippetFlag.SIGNALS) != switch.is_inverse
        expected.append([f"`{yes}`, `{no}`", f"`{yes if is_default else no}`", switch.meaning])

    assert _rows("Settings of a site's script") == expected


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_readme_links_lead_somewhere(link: str) -> None:
    """Every relative link and image of the README is a file of the tree."""
    assert (Path(__file__).parents[1] / link).exists()


def test_the_map_of_the_tree_names_every_module() -> None:
    """CONTRIBUTING leads to each module and package of the two packages."""
    root = Path(__file__).parents[1]
    written = set(re.findall(r"[\w]+", (root / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    modules = {path.stem for package in ("collector", "heatmap") for path in (root / package).glob("*.py")}
    folders = {path.parent.name for package in ("collector", "heatmap") for path in (root / package).glob("*/*.py")}

    assert (modules | folders) - {"__init__"} <= written


def _command_names(group: click.Group, context: click.Context) -> list[str]:
    names = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        nested = command.list_commands(context) if isinstance(command, click.Group) else [""]
        names += [f"{name} {inner}".strip() for inner in nested]
    return names
