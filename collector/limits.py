"""Token buckets with bounded memory: how many batches a site or an address may send. Pure, the clock is passed in."""

_BURST_S = 4
"""A full bucket holds the tokens of 4 s, so that a page that reports several things at once is not refused."""


class TokenBuckets:
    """One bucket per key; those not used lately are forgotten (and so full again) when there are too many.

    Two generations stand for an order of use, which would have to be kept at each step: a bucket that is used moves to
    the younger one, and when that is half of `max_keys` the older one is dropped.
    """

    def __init__(self, rate: float, max_keys: int = 100_000) -> None:
        self._rate = rate
        self._capacity = rate * _BURST_S
        self._generation_keys = max(1, max_keys // 2)
        self._young: dict[bytes | int, list[float]] = {}
        self._old: dict[bytes | int, list[float]] = {}

    def take(self, key: bytes | int, now_s: float) -> float:
        """Take one token and return 0, or take none and return the seconds until there is one."""
        bucket = self._young.get(key)
        if bucket is None:
            bucket = self._promote(key, now_s)
        tokens, filled_s = bucket
        if now_s > filled_s:
            tokens = min(self._capacity, tokens + (now_s - filled_s) * self._rate)
        bucket[1] = now_s
        if tokens < 1:
            bucket[0] = tokens
            return (1 - tokens) / self._rate
        bucket[0] = tokens - 1
        return 0.0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _promote(self, key: bytes | int, now_s: float) -> list[float]:
        bucket = self._old.pop(key, None) or [self._capacity, now_s]
        if len(self._young) >= self._generation_keys:
            self._young, self._old = {}, self._young
        self._young[key] = bucket
        return bucket
