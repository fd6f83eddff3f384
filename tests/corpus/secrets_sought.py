"""Secrets that a page is full of, and the search for them in whatever bytes were kept or sent."""

import base64
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

SECRETS: Mapping[str, str] = {
    "password": "Kaarna-Pursi!8812",
    "card": "4539 1488 0343 6467",
    "iban": "FI21 1234 5600 0007 85",
    "email": "aino.canarynen@example.fi",
    "phone": "+358 40 555 0147",
    "national_id": "131052-308T",
    "url_token": "qtok9f3Zb71LxQ0vTn48",
    "fragment_token": "ftokeyJhbGciOiJIUzI1NiJ9x7Qp2",
    "path_token": "9f8e7d6c5b4a39281706f5e4d3c2b1a0",
    "error_token": "sk_live_51HxYzAbCdEfGhIj",
    "label_token": "ghp_9f3Zb71LxQ0vTn48Qw2Rk5Yt",
    "cookie": "sessionCanary77Kq",
    "masked_name": "Helmi Maskelynen",
    "masked_note": "owes the tax office",
    "ignored_name": "Verneri Hidden",
    "typed_note": "my knee hurts since Tuesday",
    "editable_note": "meet me behind the kiln",
    "role_note": "textbox without an element",
    "frame_note": "frame diary of a canary",
    "shadow_note": "shadow pin three nine",
    "copied_note": "clipboard moose recipe",
    "file_name": "biopsy-results-canary.pdf",
    "hidden_field": "hiddenCanary5521",
    "attribute_copy": "reactValueCanary",
    "option_value": "diagnosisCanary-F32",
}
"""What no byte may hold, by what it is."""


def find_secrets(*haystacks: bytes) -> list[str]:
    """Return which secrets are in any of these bytes, in any spelling, with what stands around them."""
    lowered = [haystack.lower() for haystack in haystacks]
    return [
        f"{name} as {spelling!r} in …{_around(haystack, spelling)}…"
        for name, secret in SECRETS.items()
        for spelling in sorted(set(_spellings(secret)))
        for haystack in lowered
        if spelling in haystack
    ]


def _spellings(secret: str) -> Iterator[bytes]:
    """Yield a secret as programs write it; all in lower case."""
    words = re.sub(r"[^a-z0-9]+", " ", secret.lower()).split()
    texts = {
        secret,
        quote(secret),
        quote_plus(secret),
        "-".join(words),
        "_".join(words),
        " ".join(words),
        "".join(words),
    }
    for text in texts:
        yield text.lower().encode()
    raw = secret.encode()
    yield raw.hex().encode()
    # A base64 text holds the middle of it whole, whatever stands before and after.
    for shift in range(3):
        packed = base64.b64encode(b"\0" * shift + raw).decode()
        yield packed[4 if shift else 0 : -4].lower().encode()


def _around(haystack: bytes, spelling: bytes) -> str:
    at = haystack.index(spelling)
    return haystack[max(0, at - 60) : at + len(spelling) + 40].decode("utf-8", "replace")
