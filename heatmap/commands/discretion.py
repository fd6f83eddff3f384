"""How a service logs, and what it may say of a request that failed: never who sent it, nor what for.

aiohttp logs the peer's address and the start of what it sent, for bytes that anybody can send. Messages of errors may
quote a value of a request; where they were raised is told, and what kind they are.
"""

import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType

import msgspec

PAUSE_S = 60.0
"""Requests that cannot be read are told in one line a minute at most, so that nobody can fill a disk with them."""


class DiscreetFilter(logging.Filter):
    """Rewrites the records of aiohttp's server without addresses, targets and messages of errors."""

    def __init__(self) -> None:
        super().__init__()
        self._unread = 0
        self._told_at = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write the record, and leave in it only what is ours."""
        error = record.exc_info[1] if record.exc_info else None
        record.exc_info, record.exc_text, record.args = None, None, ()
        if not _is_unreadable(error):
            record.msg = "a request could not be answered" + (f"\n{describe_trace(error)}" if error else "")
            return True
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        self._unread += 1
        if record.created - self._told_at < PAUSE_S:
            return False
        record.msg = f"{self._unread} request(s) could not be read and were refused"
        self._unread, self._told_at = 0, record.created
        return True


def _is_unreadable(error: BaseException | None) -> bool:
    # Where aiohttp was not imported nothing of it can have been raised; to import it takes a quarter of a second.
    aiohttp = sys.modules.get("aiohttp.http_exceptions")
    return aiohttp is not None and isinstance(error, aiohttp.HttpProcessingError)


_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class TextFormatter(logging.Formatter):
    """Lines for people: time, level, logger, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802  # logging's name
        """Return where an error was raised, without its message."""
        return describe_trace(ei[1]) if ei[1] else ""


class _Line(msgspec.Struct, omit_defaults=True):
    at: str
    level: str
    logger: str
    process: int
    message: str
    trace: str = ""


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON, an error in it without its message."""
        error = record.exc_info[1] if record.exc_info else None
        line = _Line(
            at=datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            level=record.levelname.lower(),
            logger=record.name,
            process=os.getpid(),
            message=record.getMessage(),
            trace=describe_trace(error) if error else "",
        )
        return msgspec.json.encode(line).decode()


def build_formatter(log_format: str) -> logging.Formatter:
    """Return the formatter of `JALKI_LOG_FORMAT`."""
    return JsonFormatter() if log_format == "json" else TextFormatter()


def hush_server() -> None:
    """Let aiohttp's server log through a `DiscreetFilter`; call it once in a process."""
    logging.getLogger("aiohttp.server").addFilter(DiscreetFilter())


def describe_trace(error: BaseException) -> str:
    """Return where an error and its causes were raised; their messages are left out, as they may quote the request."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = f"{describe_trace(cause)}\nwhich led to\n" if cause else ""
    return before + "".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__
