"""`jalki doctor`: says what is wrong and how to mend it."""

import sys
from datetime import UTC, datetime

import msgspec

from collector.settings import Settings
from heatmap.commands.checks import Check, run_checks
from heatmap.commands.place import settings_options
from heatmap.commands.running import run
from heatmap.commands.terminal import ExitCode, command, json_option, print_answer


class Report(msgspec.Struct, frozen=True):
    """All checks."""

    is_ok: bool
    checks: list[Check]


@command("doctor", example="jalki doctor --data ./jalki-data")
@settings_options(listens=True)
@json_option
def doctor(settings: Settings, *, as_json: bool) -> None:
    """Check this machine, the data and the service; one line each, with what mends it."""
    checks = run(run_checks(settings, datetime.now(UTC)))
    report = Report(all(check.is_ok for check in checks), checks)
    print_answer(report, "\n".join(map(_line, checks)), as_json=as_json)
    sys.exit(ExitCode.DONE if report.is_ok else ExitCode.FAILED)


def _line(check: Check) -> str:
    line = f"{'ok   ' if check.is_ok else 'wrong'}  {check.name}: {check.found}"
    return line if check.is_ok else f"{line}\n       to mend: {check.remedy}"
