"""The promise of a 204, in runs of a few seconds each; `make chaos` and `make chaos-long` make the long forms.

Figures that a busy machine can miss are not judged here.
"""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from catalogue import RUNS, make, make_mutant
from postgres_switch import SwitchedPostgres, switched_postgres
from runs import Plan, Size

SEED = 7
SELDOM = {"malformed", "overload", "slow"}
"""Left to `make chaos`: the first has tests of its own, the others load the machine or wait for deadlines."""
CHEAP_MUTANTS = (
    ("order", "skips_the_sync"),
    ("torn", "believes_any_checksum"),
    ("storm", "ignores_the_ledger"),
)


@contextlib.contextmanager
def open_to_others() -> Iterator[Path]:
    """A temporary folder that the user of Postgres may enter."""
    with tempfile.TemporaryDirectory(prefix="jalki-chaos-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest_asyncio.fixture(scope="module")
async def own_postgres() -> AsyncIterator[SwitchedPostgres]:
    """A Postgres that may be frozen and stopped, unlike the one that all other tests share."""
    with open_to_others() as folder:
        async with switched_postgres(folder) as postgres:
            yield postgres


@pytest.fixture
def plan(own_postgres: SwitchedPostgres, open_folder: Path) -> Plan:
    """A run of the shortest form."""
    return Plan(Size.QUICK, SEED, open_folder / "run", own_postgres)


@pytest.mark.parametrize("name", sorted(RUNS.keys() - SELDOM))
async def test_what_was_acknowledged_is_stored_once(name: str, plan: Plan) -> None:
    """Nothing that got a 204 is lost, made up or doubled, and the targets that need no quiet machine are met."""
    result = await make(RUNS[name], plan)

    if result.skipped:
        pytest.skip(result.skipped)
    assert result.acknowledged > 0
    assert result.describe_faults(with_times=False) == ""


@pytest.mark.parametrize(("name", "mutant"), CHEAP_MUTANTS)
async def test_a_fault_in_the_product_is_noticed(name: str, mutant: str, plan: Plan) -> None:
    """A run fails when the fault that it is there for is put into the product."""
    result = await make_mutant(RUNS[name], plan, mutant)

    if result.skipped:
        pytest.skip(result.skipped)
    assert result.describe_faults(with_times=False) != ""
