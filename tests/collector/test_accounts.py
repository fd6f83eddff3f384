"""Sign-in links, sessions and API tokens."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from collector import accounts
from collector.accounts import Scope
from collector.db import Pool
from collector.errors import NotFoundError
from collector.ids import SiteId

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def _add_site(pool: Pool) -> SiteId:
    return SiteId(
        await pool.fetchval(
            "insert into sites (key, name, origins, created_at) values ('k', 'n', '{}', $1) returning site_id", NOW
        )
    )


async def test_a_sign_in_link_signs_in_once(pool: Pool) -> None:
    """The first use makes a session, the second is refused."""
    async with pool.acquire() as conn:
        token = await accounts.create_sign_in_link(conn, b"1" * 32, NOW)

        cookie = await accounts.use_sign_in_link(conn, token, NOW)
        again = await accounts.use_sign_in_link(conn, token, NOW)

        assert cookie is not None
        assert again is None
        assert await accounts.is_signed_in(conn, cookie, NOW)


async def test_of_many_simultaneous_uses_one_signs_in(pool: Pool) -> None:
    """A link raced from several connections makes one session."""

    async def use(token: str) -> str | None:
        async with pool.acquire() as conn:
            return await accounts.use_sign_in_link(conn, token, NOW)

    async with pool.acquire() as conn:
        token = await accounts.create_sign_in_link(conn, b"1" * 32, NOW)
    cookies = await asyncio.gather(*(use(token) for _ in range(6)))

    assert len([cookie for cookie in cookies if cookie]) == 1


async def test_a_link_expires_after_a_day(pool: Pool) -> None:
    """At 24 hours it is refused, a second before it holds."""
    async with pool.acquire() as conn:
        late = await accounts.create_sign_in_link(conn, b"1" * 32, NOW)
        in_time = await accounts.create_sign_in_link(conn, b"2" * 32, NOW)

        assert await accounts.use_sign_in_link(conn, late, NOW + accounts.LINK_LIFETIME) is None
        assert await accounts.use_sign_in_link(conn, in_time, NOW + accounts.LINK_LIFETIME - SECOND) is not None


async def test_a_session_ends_after_thirty_days_or_at_sign_out(pool: Pool) -> None:
    """Nobody stays signed in for ever."""
    async with pool.acquire() as conn:
        token = await accounts.create_sign_in_link(conn, b"1" * 32, NOW)
        cookie = await accounts.use_sign_in_link(conn, token, NOW)
        assert cookie is not None

        assert await accounts.is_signed_in(conn, cookie, NOW + accounts.SESSION_LIFETIME - SECOND)
        assert not await accounts.is_signed_in(conn, cookie, NOW + accounts.SESSION_LIFETIME)
        await accounts.sign_out(conn, cookie)
        assert not await accounts.is_signed_in(conn, cookie, NOW)


@pytest.mark.parametrize("cookie", ["", "nonsense", "\x00", "\ud800", "å" * 5000])
async def test_a_strange_cookie_is_not_signed_in(pool: Pool, cookie: str) -> None:
    """Whatever a browser sends is looked up, never an error."""
    async with pool.acquire() as conn:
        assert not await accounts.is_signed_in(conn, cookie, NOW)
        assert await accounts.use_sign_in_link(conn, cookie, NOW) is None
        assert await accounts.load_token_scope(conn, cookie) is None


async def test_a_token_names_its_site_and_scope(pool: Pool) -> None:
    """The secret leads to the site and scope it was made for, and to nothing once changed."""
    site_id = await _add_site(pool)
    async with pool.acquire() as conn:
        token, secret = await accounts.add_api_token(conn, site_id, Scope.EXPORT, b"t" * 32, NOW)

        assert await accounts.load_token_scope(conn, secret) == token
        assert await accounts.load_token_scope(conn, secret + "x") is None
        assert await accounts.load_api_tokens(conn) == [token]
        assert (token.site_id, token.scope) == (site_id, Scope.EXPORT)


async def test_a_token_needs_a_site(pool: Pool) -> None:
    """An unknown site is said, not stored."""
    async with pool.acquire() as conn:
        with pytest.raises(NotFoundError, match="no site 41"):
            await accounts.add_api_token(conn, SiteId(41), Scope.READ, b"t" * 32, NOW)


async def test_no_secret_is_stored(pool: Pool) -> None:
    """A copy of the database lets nobody in: it holds hashes only."""
    site_id = await _add_site(pool)
    async with pool.acquire() as conn:
        link = await accounts.create_sign_in_link(conn, b"1" * 32, NOW)
        used = await accounts.create_sign_in_link(conn, b"2" * 32, NOW)
        cookie = await accounts.use_sign_in_link(conn, used, NOW)
        _, secret = await accounts.add_api_token(conn, site_id, Scope.READ, b"t" * 32, NOW)
        dump = [
            str(await conn.fetch(f"select t::text, encode(token_hash, 'escape') from {table} t"))
            for table in ("sign_in_links", "people_sessions", "api_tokens")
        ]

    assert all(rows != "[]" for rows in dump)
    assert not [word for word in (link, used, cookie, secret) if any(str(word) in rows for rows in dump)]


async def test_expired_links_and_sessions_are_deleted(pool: Pool) -> None:
    """What no longer holds does not stay in the database."""
    async with pool.acquire() as conn:
        token = await accounts.create_sign_in_link(conn, b"1" * 32, NOW)
        await accounts.use_sign_in_link(conn, token, NOW)
        await accounts.create_sign_in_link(conn, b"2" * 32, NOW)

        await accounts.delete_expired(conn, NOW + accounts.SESSION_LIFETIME)

        assert await conn.fetchval("select count(*) from sign_in_links") == 0
        assert await conn.fetchval("select count(*) from people_sessions") == 0
