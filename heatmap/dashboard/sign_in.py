"""The way in and out: a one-time link from the command line becomes a session cookie."""

from aiohttp import web

from collector.accounts import SESSION_LIFETIME, use_sign_in_link
from collector.accounts import sign_out as end_session
from heatmap.dashboard.desk import Desk
from heatmap.dashboard.gate import SESSION_COOKIE, redirect


async def show_sign_in(desk: Desk, request: web.Request) -> web.Response:
    """Show a form that posts the link's token, as a GET must not use it up; without a token, say how to get one."""
    return desk.page("sign_in.html", token=request.query.get("token", ""), failed=False)


async def sign_in(desk: Desk, request: web.Request) -> web.Response:
    """Use the link up and start a session, or say why not."""
    form = await request.post()
    token = form.get("token", "")
    async with desk.pool.acquire() as conn:
        session = await use_sign_in_link(conn, token, desk.now()) if isinstance(token, str) and token else None
    if session is None:
        return desk.page("sign_in.html", status=403, token="", failed=True)
    answer = redirect("/")
    answer.set_cookie(
        SESSION_COOKIE,
        session,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=desk.is_https(request),
        path="/",
    )
    return answer


async def sign_out(desk: Desk, request: web.Request) -> web.Response:
    """End the session, here and in the database."""
    async with desk.pool.acquire() as conn:
        await end_session(conn, request.cookies.get(SESSION_COOKIE, ""))
    answer = redirect("/sign-in")
    answer.del_cookie(SESSION_COOKIE, path="/")
    return answer
