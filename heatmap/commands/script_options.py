"""The options of `jalki site add` and `edit` that say what a site's script does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import click

from collector.snippet import SnippetFlag

_F = TypeVar("_F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Switch:
    """A choice between two; `flag` is what the script reads, set where it is chosen, or not chosen if `is_inverse`."""

    name: str
    flag: SnippetFlag
    meaning: str
    is_inverse: bool = False

    @property
    def option(self) -> str:
        """How both choices are written."""
        name = self.name.replace("_", "-")
        return f"--{name}/--no-{name}"


PARAMS_MEANING = "Query parameters that are part of a page's address, by name, with commas between; '' for none."
SWITCHES = (
    Switch(
        "signals",
        SnippetFlag.SIGNALS,
        "Load what watches frames, forms, selections, downloads, web vitals and the like.",
    ),
    Switch("consent_first", SnippetFlag.CONSENT_FIRST, "Record nothing before the page calls jalki('consent', …)."),
    Switch("hash_routes", SnippetFlag.HASH_ROUTES, "Count what follows # in the address as part of the page."),
    Switch(
        *("honour_gpc", SnippetFlag.IGNORE_GPC),
        "Record nobody whose browser sends Global Privacy Control or Do Not Track.",
        is_inverse=True,
    ),
)


@dataclass(frozen=True, slots=True)
class ScriptChoice:
    """What the options say; None and no flags leave what is there."""

    params: Sequence[str] | None
    on: SnippetFlag
    off: SnippetFlag

    @property
    def is_made(self) -> bool:
        """Whether any of the options was given."""
        return self.params is not None or bool(self.on | self.off)

    @property
    def new_flags(self) -> SnippetFlag:
        """The flags of a site that begins with these choices."""
        return (SnippetFlag.SIGNALS | self.on) & ~self.off


def script_options(function: _F) -> _F:
    """Add the options to a command; it hands them to `read_choice`."""
    for switch in reversed(SWITCHES):
        function = click.option(switch.option, switch.name, default=None, help=switch.meaning)(function)
    return click.option("--params", metavar="NAMES", help=PARAMS_MEANING)(function)


def read_choice(options: Mapping[str, object]) -> ScriptChoice:
    """Return what was chosen, of the options of a command that has them."""
    text = options["params"]
    params = None if text is None else [name.strip() for name in str(text).split(",") if name.strip()]
    on = off = SnippetFlag(0)
    for switch in SWITCHES:
        chosen = options[switch.name]
        if chosen is None:
            continue
        if bool(chosen) == switch.is_inverse:
            off |= switch.flag
        else:
            on |= switch.flag
    return ScriptChoice(params, on, off)
