"""The bytes of a request's body: how they are encoded, and what they hold once unpacked. Pure.

A batch comes as it is, or as one gzip member. The snippet says so in the address (`?e=gzip`) and not in a
`Content-Encoding` header, because that header would make the browser ask with an OPTIONS request first; other senders
may use either, but one of the two.
"""

import re
import zlib
from collections.abc import Sequence
from enum import StrEnum

from collector.wire import Drop, DropReason

EVENTS_PATH = "/v1/events"
_TYPES = {"text/plain", "application/json"}
_ENCODING_NAME = "e="
"""Parameter of the address that names the encoding."""
_DEBUG_PART = "d=1"
"""Parameter of the address of a batch that is judged and answered, and not stored."""
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""zlib's way to ask for the gzip format alone, with its checksum."""
_MEMBER = b"\x1f\x8b"
_KEY = re.compile(r"[A-Za-z0-9_-]{8,32}")


class Encoding(StrEnum):
    """How a body is packed."""

    IDENTITY = "identity"
    GZIP = "gzip"


def read_key(path: str) -> str | Drop | None:
    """Return the site key in a path below `/v1/events/`; None for `/v1/events` itself.

    Text that can be no key is dropped like that of a site that does not exist.
    """
    if path == EVENTS_PATH:
        return None
    key = path.removeprefix(f"{EVENTS_PATH}/")
    return key if _KEY.fullmatch(key) else Drop(DropReason.UNKNOWN_SITE)


def judge_type(content_type: str | None) -> Drop | None:
    """Return why a body of this Content-Type is not read; None lets it in, and so does a missing header."""
    if not content_type or content_type.partition(";")[0].strip().lower() in _TYPES:
        return None
    return Drop(DropReason.UNSUPPORTED_TYPE)


def read_encoding(headers: Sequence[str], query: str = "") -> Encoding | Drop:
    """Return how the body is packed, by its Content-Encoding headers and the query of its address.

    One gzip, said in one place, is read; anything else that is not `identity`, and whatever is said twice, is dropped.
    """
    codings = [name.strip().lower() for header in headers for name in header.split(",")]
    codings += [part[len(_ENCODING_NAME) :] for part in query.split("&") if part.startswith(_ENCODING_NAME)]
    packed = [name for name in codings if name != Encoding.IDENTITY]
    if not packed:
        return Encoding.IDENTITY
    if packed == [Encoding.GZIP]:
        return Encoding.GZIP
    return Drop(DropReason.UNSUPPORTED_ENCODING)


def is_debug(query: str) -> bool:
    """Return whether the query of an address asks what would become of a batch, without storing it."""
    return _DEBUG_PART in query.split("&")


def unpack(body: bytes, encoding: Encoding, max_bytes: int) -> bytes | Drop:
    """Return what a body holds; at most `max_bytes`, whether packed or not."""
    if len(body) > max_bytes:
        return Drop(DropReason.TOO_LARGE)
    return body if encoding is Encoding.IDENTITY else decompress(body, max_bytes)


def decompress(body: bytes, max_bytes: int) -> bytes | Drop:
    """Return what one gzip member holds, never unpacking more than `max_bytes` and one byte of it.

    The checksum, the length and the end must be right, and nothing may follow.
    """
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        unpacked = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as error:
        return _malformed(_tell_fault(error))
    if len(unpacked) > max_bytes:
        return Drop(DropReason.TOO_LARGE, "the body is larger once unpacked")
    if not unpacker.eof:
        return _malformed("the gzip body ends early")
    if unpacker.unused_data.startswith(_MEMBER):
        return _malformed("the gzip body has a second member")
    return _malformed("bytes follow the gzip body") if unpacker.unused_data else unpacked


def _tell_fault(error: zlib.error) -> str:
    """Return what is wrong with a gzip body, in our words: zlib's name no rule of ours."""
    text = str(error)
    if "incorrect header check" in text:
        return "the body is not gzip"
    return "the checksum of the gzip body is wrong" if "incorrect" in text else "the gzip body is damaged"


def _malformed(detail: str) -> Drop:
    return Drop(DropReason.MALFORMED, detail)
