"""Makes the chaos runs and prints one table.

    python tests/chaos [--long] [--only NAME] [--mutants] [--seed N]

Ends with 1 where a batch was lost, made up or doubled, a target was missed, or a mutant was not caught.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from catalogue import RUNS, make, make_mutant
from postgres_switch import SwitchedPostgres, switched_postgres
from runs import Plan, RunResult, Size

_WIDTHS = (34, 10, 6, 8, 6)


def _print_row(*cells: object) -> None:
    line = "  ".join(f"{cell!s:<{width}}" for cell, width in zip(cells, (*_WIDTHS, 0), strict=False))
    print(line.rstrip(), flush=True)


def _print_result(result: RunResult, seconds: float) -> None:
    if result.skipped:
        _print_row(result.name, "SKIPPED", result.skipped)
        return
    _print_row(
        result.name, f"{result.acknowledged:,}", result.lost, result.phantom, result.duplicates, f"{seconds:.0f} s"
    )
    for figure in result.figures:
        mark = "ok" if figure.ok else "MISSED"
        print(f"    {figure.what:<48} {figure.value:<28} {figure.target:<24} {mark}", flush=True)


def _print_mutant(result: RunResult, mutant: str) -> None:
    faults = result.describe_faults(with_times=False)
    _print_row(result.name, "SKIPPED" if result.skipped else "CAUGHT" if faults else "MISSED", mutant)
    print(f"    {result.skipped or faults}", flush=True)


async def _make_all(options: argparse.Namespace, postgres: SwitchedPostgres, folder: Path) -> bool:
    is_good = True
    size = Size.LONG if options.long else Size.QUICK if options.quick else Size.SHORT
    for number, (name, run) in enumerate(RUNS.items()):
        if options.only and options.only not in name:
            continue
        own = folder / f"{number}"
        plan = Plan(size, options.seed, own, postgres)
        if options.mutants:
            for mutant in run.MUTANTS:
                result = await make_mutant(run, plan, mutant)
                _print_mutant(result, mutant)
                is_good &= bool(result.skipped) or not result.is_good(with_times=False)
            continue
        began = time.monotonic()
        result = await make(run, plan)
        _print_result(result, time.monotonic() - began)
        is_good &= result.is_good(with_times=True)
    return is_good


async def _main(options: argparse.Namespace, folder: Path) -> bool:
    async with switched_postgres(folder / "postgres") as postgres:
        return await _make_all(options, postgres, folder)


def main() -> int:
    """Make the runs asked for; 0 where all of them were good."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--long", action="store_true", help="as long as the targets say")
    parser.add_argument("--quick", action="store_true", help="as short as in `make test`")
    parser.add_argument("--only", metavar="NAME", help="only the runs whose name holds this")
    parser.add_argument("--mutants", action="store_true", help="put each fault into the product; each must be caught")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not options.mutants:
        _print_row("run", "ACKED", "LOST", "PHANTOM", "DUP", "took")
    with tempfile.TemporaryDirectory(prefix="jalki-chaos-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        return 0 if asyncio.run(_main(options, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
