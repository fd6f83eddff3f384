"""The bounds of what a batch may say, as `tests/contract/wire-v1.schema.json` states them. Pure."""

from typing import Annotated

from msgspec import Meta

MAX_VIEW_MS = 604_800_000
"""Longest time inside a view, 7 days; what deltas of time add up to may not exceed it either."""
MAX_PX = 10_000_000
"""Largest coordinate; what deltas of coordinates add up to stays within it, too."""

Count = Annotated[int, Meta(ge=0, le=1_000_000)]
DurationMs = Annotated[int, Meta(ge=0, le=MAX_VIEW_MS)]
Px = Annotated[int, Meta(ge=0, le=MAX_PX)]
SignedPx = Annotated[int, Meta(ge=-MAX_PX, le=MAX_PX)]
Shift = Annotated[int, Meta(ge=-2 * MAX_PX, le=2 * MAX_PX)]
"""Difference of two coordinates."""
Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Byte = Annotated[int, Meta(ge=0, le=255)]
Index = Annotated[int, Meta(ge=0, le=4095)]
"""Place in the dictionary of a batch, which may be shorter."""
