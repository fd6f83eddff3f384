"""The way in and out: a one-time link from the command line becomes a session cookie.

Where a person was going outlives the way to the command line in a cookie that only the sign-in page gets.
"""

import re
from urllib.parse import quote, unquote

from aiohttp import web

from collector.accounts import SESSION_LIFETIME, use_sign_in_link
from collector.accounts import sign_out as end_session
from heatmap.dashboard.desk import Desk
from heatmap.dashboard.gate import SESSION_COOKIE, redirect

NEXT_COOKIE = "jalki_next"
_NEXT_LIFETIME_S = 1800  # longer than a sign-in link lasts
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]{0,2000}")
"""A path of this service in printable ASCII: `//host`, and a backslash or tab that browsers read as one, lead away."""


async def show_sign_in(desk: Desk, request: web.Request) -> web.Response:
    """Show a form that posts the link's token, as a GET must not use it up; without a token, say how to get one."""
    wanted = read_local_address(request.query.get("next") or unquote(request.cookies.get(NEXT_COOKIE, "")))
    answer = desk.page("sign_in.html", token=request.query.get("token", ""), failed=False, wanted=wanted)
    if wanted != "/":
        answer.set_cookie(
            NEXT_COOKIE,
            quote(wanted, safe=""),
            max_age=_NEXT_LIFETIME_S,
            httponly=True,
            samesite="Lax",
            secure=desk.is_https(request),
            path="/sign-in",
        )
    return answer


async def sign_in(desk: Desk, request: web.Request) -> web.Response:
    """Use the link up and start a session, or say why not."""
    form = await request.post()
    token = form.get("token", "")
    async with desk.pool.acquire() as conn:
        session = await use_sign_in_link(conn, token, desk.now()) if isinstance(token, str) and token else None
    if session is None:
        return desk.page("sign_in.html", status=403, token="", failed=True, wanted="/")
    answer = redirect(read_local_address(str(form.get("next", ""))))
    answer.set_cookie(
        SESSION_COOKIE,
        session,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=desk.is_https(request),
        path="/",
    )
    if NEXT_COOKIE in request.cookies:
        answer.del_cookie(NEXT_COOKIE, path="/sign-in")
    return answer


def read_local_address(text: str) -> str:
    """Return `text` where it is the address of a page here, else that of the list of sites."""
    return text if _LOCAL.fullmatch(text) else "/"


async def sign_out(desk: Desk, request: web.Request) -> web.Response:
    """End the session, here and in the database."""
    async with desk.pool.acquire() as conn:
        await end_session(conn, request.cookies.get(SESSION_COOKIE, ""))
    answer = redirect("/sign-in")
    answer.del_cookie(SESSION_COOKIE, path="/")
    return answer
