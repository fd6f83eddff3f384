"""The promise of a 204, at a length that fits `make test`; `make chaos` runs the long form."""

from pathlib import Path

from kill_rounds import run_rounds

ROUNDS = 4


async def test_everything_acknowledged_is_stored_once_after_kill_nine(open_folder: Path) -> None:
    """What got a 204 before the whole process group was killed is there afterwards, once, in facts and on the map."""
    recount = await run_rounds(open_folder / "data", ROUNDS, seed=7)

    assert recount.acknowledged > 0
    assert (recount.lost, recount.phantom, recount.doubled) == (0, 0, 0)
    assert recount.clicks_stored == recount.clicks_on_map
