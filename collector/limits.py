"""Token buckets with bounded memory: how many batches a site or an address may send. Pure, the clock is passed in."""

from collections import OrderedDict
from dataclasses import dataclass

_BURST_S = 4
"""A full bucket holds the tokens of 4 s, so that a page that reports several things at once is not refused."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_s: float


class TokenBuckets:
    """One bucket per key; the least recently used one is forgotten (and so full again) when there are too many."""

    def __init__(self, rate: float, max_keys: int = 100_000) -> None:
        self._rate = rate
        self._capacity = rate * _BURST_S
        self._max_keys = max_keys
        self._buckets: OrderedDict[bytes | int, _Bucket] = OrderedDict()

    def take(self, key: bytes | int, now_s: float) -> float:
        """Take one token and return 0, or take none and return the seconds until there is one."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._add(key, now_s)
        else:
            self._buckets.move_to_end(key)
        elapsed_s = max(0.0, now_s - bucket.filled_s)
        bucket.tokens = min(self._capacity, bucket.tokens + elapsed_s * self._rate)
        bucket.filled_s = now_s
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._rate
        bucket.tokens -= 1
        return 0.0

    def __len__(self) -> int:
        return len(self._buckets)

    def _add(self, key: bytes | int, now_s: float) -> _Bucket:
        while len(self._buckets) >= self._max_keys:
            self._buckets.popitem(last=False)
        bucket = self._buckets[key] = _Bucket(self._capacity, now_s)
        return bucket
