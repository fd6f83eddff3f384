"""People's sessions, one-time sign-in links and API tokens.

Owns the tables `people_sessions`, `sign_in_links` and `api_tokens`. Only SHA-256 hashes of secrets are stored: the
secrets have 256 random bits, so a slow hash would add nothing, and a copy of the database lets nobody in.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import LiteralString

from asyncpg import Record

from collector.db import Conn
from collector.errors import InvalidError, NotFoundError
from collector.ids import SiteId

LINK_LIFETIME = timedelta(hours=24)
SESSION_LIFETIME = timedelta(days=30)
SECRET_BYTES = 32

_TOKEN_PREFIX = "jalki_"  # noqa: S105  # lets secret scanners and people recognise a leaked token
_TOKEN_ID_CHARS = 12

_WRITE_LINK: LiteralString = """
-- accounts.create_sign_in_link
insert into sign_in_links (token_hash, expires_at)
values ($1, $2)
"""
_TAKE_LINK: LiteralString = """
-- accounts.use_sign_in_link
delete from sign_in_links
where token_hash = $1
returning expires_at
"""
_WRITE_SESSION: LiteralString = """
-- accounts.use_sign_in_link
insert into people_sessions (token_hash, created_at, expires_at)
values ($1, $2, $3)
"""
_HAS_SESSION: LiteralString = """
-- accounts.is_signed_in
select exists (
    select from people_sessions
    where token_hash = $1
    and expires_at > $2
)
"""
_DELETE_SESSION: LiteralString = """
-- accounts.sign_out
delete from people_sessions
where token_hash = $1
"""
_WRITE_SCOPE: LiteralString = """
-- accounts.add_api_token
insert into api_tokens (token_hash, token_id, site_id, scope, created_at)
select $1, $2, site_id, $4, $5
from sites
where site_id = $3
returning token_id
"""
_LOAD_SCOPE: LiteralString = """
-- accounts.load_token_scope
select token_id, site_id, scope, created_at
from api_tokens
where token_hash = $1
"""
_LOAD_TOKENS: LiteralString = """
-- accounts.load_api_tokens
select token_id, site_id, scope, created_at
from api_tokens
order by site_id, created_at, token_id
"""
_REMOVE: LiteralString = """
-- accounts.remove_api_token
delete from api_tokens
where token_id = $1
returning token_id, site_id, scope, created_at
"""
_DELETE_EXPIRED_LINKS: LiteralString = """
-- accounts.delete_expired
delete from sign_in_links
where expires_at <= $1
"""
_DELETE_EXPIRED_SESSIONS: LiteralString = """
-- accounts.delete_expired
delete from people_sessions
where expires_at <= $1
"""


class Scope(StrEnum):
    """What an API token allows; `export` includes `read`."""

    READ = "read"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What is known of a token: everything but its secret."""

    token_id: str
    site_id: SiteId
    scope: Scope
    created_at: datetime


async def create_sign_in_link(conn: Conn, token_bytes: bytes, now: datetime) -> str:
    """Return the token of a new one-time link, which holds for 24 hours."""
    token = _encode(token_bytes)
    await conn.execute(_WRITE_LINK, _digest(token), now + LINK_LIFETIME)
    return token


async def use_sign_in_link(conn: Conn, token: str, now: datetime, *, session_bytes: bytes | None = None) -> str | None:
    """Use the link up and return the cookie of a new session of 30 days; None: it is unknown, used or expired.

    Of two requests with one token at most one succeeds, because the row is taken by deleting it.
    """
    async with conn.transaction():
        expires_at = await conn.fetchval(_TAKE_LINK, _digest(token))
        if expires_at is None or expires_at <= now:
            return None
        cookie = _encode(session_bytes or secrets.token_bytes(SECRET_BYTES))
        await conn.execute(_WRITE_SESSION, _digest(cookie), now, now + SESSION_LIFETIME)
    return cookie


async def is_signed_in(conn: Conn, cookie: str, now: datetime) -> bool:
    """Return whether the cookie belongs to a session that still holds."""
    return bool(await conn.fetchval(_HAS_SESSION, _digest(cookie), now))


async def sign_out(conn: Conn, cookie: str) -> None:
    """End the cookie's session, if there is one."""
    await conn.execute(_DELETE_SESSION, _digest(cookie))


async def add_api_token(
    conn: Conn, site_id: SiteId, scope: Scope, token_bytes: bytes, now: datetime
) -> tuple[ApiToken, str]:
    """Return the new token's description and its secret, which cannot be read again.

    Raises:
        NotFoundError: no such site.
        InvalidError: the token bytes are too few to be a secret.
    """
    if len(token_bytes) < SECRET_BYTES:
        raise InvalidError(f"a token needs {SECRET_BYTES} random bytes")
    secret = _TOKEN_PREFIX + _encode(token_bytes)
    digest = _digest(secret)
    token_id = await conn.fetchval(_WRITE_SCOPE, digest, digest.hex()[:_TOKEN_ID_CHARS], site_id, scope.value, now)
    if token_id is None:
        raise NotFoundError(f"there is no site {site_id}", "jalki site list shows them")
    return ApiToken(token_id, site_id, scope, now), secret


async def load_token_scope(conn: Conn, token: str) -> ApiToken | None:
    """Return what the token is for; None: it is not known."""
    row = await conn.fetchrow(_LOAD_SCOPE, _digest(token))
    return _build_token(row) if row else None


async def load_api_tokens(conn: Conn) -> list[ApiToken]:
    """Return every token, by site and age."""
    return [_build_token(row) for row in await conn.fetch(_LOAD_TOKENS)]


async def remove_api_token(conn: Conn, token_id: str) -> ApiToken:
    """Delete a token, which lets nobody in from now on, and return what it was for.

    Raises:
        NotFoundError: no such token.
    """
    row = await conn.fetchrow(_REMOVE, token_id)
    if row is None:
        raise NotFoundError(f"there is no token {token_id[:40]}", "jalki token list shows them")
    return _build_token(row)


async def delete_expired(conn: Conn, now: datetime) -> None:
    """Delete links and sessions that no longer hold."""
    await conn.execute(_DELETE_EXPIRED_LINKS, now)
    await conn.execute(_DELETE_EXPIRED_SESSIONS, now)


def _build_token(row: Record) -> ApiToken:
    return ApiToken(row["token_id"], SiteId(row["site_id"]), Scope(row["scope"]), row["created_at"])


def _encode(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def _digest(token: str) -> bytes:
    # A cookie may hold any text; what is not ours has no row.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
