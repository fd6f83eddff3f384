"""Malformed input at a length that fits `make test`; `make chaos-long` makes a million bodies and 100,000 requests."""

from pathlib import Path

import malformed
from malformed import Amounts, send_bodies, send_requests

BODIES, REQUESTS, SEED = 20_000, 700, 7


async def test_mutated_bodies_are_stored_or_refused(postgres_url: str) -> None:
    """Nothing is raised, every refusal has its reason, and what is accepted Postgres takes and gives back."""
    seen = await send_bodies(postgres_url, BODIES, SEED)

    assert seen.faults == []
    assert seen.outcomes.total() == BODIES
    assert seen.stored > BODIES / 20


async def test_mutated_requests_are_answered_and_their_neighbours_stored(postgres_url: str, open_folder: Path) -> None:
    """No answer is 5xx, none is missing, none differs from what the decoder says; each valid neighbour is stored."""
    answered = await send_requests(postgres_url, Amounts(0, REQUESTS), SEED, open_folder)

    assert answered.seen.faults == []
    assert (answered.stored.lost, answered.stored.phantom, answered.stored.duplicates) == (0, 0, 0)
    assert len(answered.seen.acknowledged) == REQUESTS
    assert answered.alarms == []


async def test_a_collector_that_lets_a_nul_through_is_noticed(postgres_url: str, open_folder: Path) -> None:
    """The run sees a fault that is put into the decoder."""
    answered = await send_requests(postgres_url, Amounts(0, 350), SEED, open_folder, "lets_nul_through")

    assert "lets_nul_through" in malformed.MUTANTS
    assert answered.seen.faults != []
