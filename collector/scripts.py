"""Scripts as they are sent: in each coding, under strong tags, with the hash that pins them. Pure."""

import base64
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import brotli  # type: ignore[import-untyped]  # the package ships no types

_BROTLI_QUALITY = 11
_GZIP_LEVEL = 9


class Coding(StrEnum):
    """How a script's bytes are compressed, as `Content-Encoding` says it; the smallest first."""

    BROTLI = "br"
    GZIP = "gzip"
    IDENTITY = "identity"


_ETAG_ENDS = {Coding.BROTLI: "-br", Coding.GZIP: "-gz", Coding.IDENTITY: ""}


@dataclass(frozen=True, slots=True)
class Form:
    """A script as it is sent in one coding; `etag` is strong and differs from coding to coding."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Script:
    """A script in all its forms; `integrity` is what an owner who pins it puts into the tag."""

    forms: Mapping[Coding, Form]
    integrity: str


def build_script(body: bytes) -> Script:
    """Return a script with all its forms; takes some 50 ms of CPU."""
    bodies = {
        Coding.BROTLI: brotli.compress(body, mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY),
        Coding.GZIP: gzip.compress(body, _GZIP_LEVEL, mtime=0),
        Coding.IDENTITY: body,
    }
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    forms = {coding: Form(packed, f'"{tag}{_ETAG_ENDS[coding]}"') for coding, packed in bodies.items()}
    return Script(forms, integrity_of(body))


def integrity_of(body: bytes) -> str:
    """Return the `integrity` attribute (Subresource Integrity) of a script."""
    return "sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode()


def choose_coding(accepted: str) -> Coding:
    """Return the coding for a sender of this `Accept-Encoding`: its weights count, then the size (RFC 9110, 12.5.3).

    Who forbids even `identity` gets it all the same, as the RFC allows: a page without its script helps nobody.
    """
    weights: dict[str, float] = {}
    for entry in accepted.lower().split(","):
        name, _, parameters = entry.partition(";")
        weights.setdefault(name.strip(), _read_weight(parameters))
    weights.setdefault("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    weights.setdefault("br", weights.get("*", 0.0))
    # Whoever names a weight for identity prefers it to what weighs less; unnamed, it is the last resort.
    weights.setdefault("identity", 0.0)
    best = max(Coding, key=lambda coding: weights[coding])
    return best if weights[best] > 0 else Coding.IDENTITY


def _read_weight(parameters: str) -> float:
    """Return the `q` of an entry: 1 where there is none, 0 where it is no weight."""
    text = parameters.strip()
    if not text:
        return 1.0
    name, _, value = text.partition("=")
    try:
        weight = float(value) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def has_tag(if_none_match: str, etag: str) -> bool:
    """Return whether an `If-None-Match` names this tag, `*`, or its weak form, which proxies make of it."""
    text = if_none_match.strip()
    return text == "*" or etag in {part.strip().removeprefix("W/") for part in text.split(",")}
