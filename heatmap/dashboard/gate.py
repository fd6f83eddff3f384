"""Who may come in, and what every answer carries: sessions, tokens, same-origin posts, headers, errors as answers.

Wrapped around each handler of the dashboard instead of being a middleware of the application, because the collector's
hot route lives in the same application and must not pay for it.
"""

import http
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import asyncpg
import msgspec
from aiohttp import web

from collector.accounts import ApiToken, is_signed_in, load_token_scope
from collector.errors import ForbiddenError, RequestError, StorageError
from heatmap.dashboard.desk import Desk
from heatmap.dashboard.query import parse_site_id

SESSION_COOKIE = "jalki_session"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_READING = ("GET", "HEAD")
_BROKEN = (StorageError, OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)
_log = logging.getLogger("jalki.dashboard")

Handler = Callable[[Desk, web.Request], Awaitable[web.StreamResponse]]
AioHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(msgspec.Struct, frozen=True):
    """An error of the API, as RFC 9457 writes it, with a hint about what to do."""

    title: str
    status: int
    detail: str
    hint: str
    type: str = "about:blank"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as an answer will say it."""

    status: int
    detail: str
    hint: str


def guard_page(desk: Desk, handler: Handler, *, is_open: bool = False) -> AioHandler:
    """Return `handler` as a page: for signed-in people unless `is_open`, its errors shown as a page."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            if request.method == "POST":
                refuse_foreign_post(desk, request)
            if not is_open and not await _has_session(desk, request):
                return _finish(redirect(build_sign_in_address(request)))
            return _finish(await handler(desk, request))
        except web.HTTPException as answer:
            _finish(answer)
            raise
        except Exception as error:  # noqa: BLE001  # the edge: whatever happened becomes an answer with an id
            failure = describe_failure(request, error)
            return _finish(desk.page("error.html", status=failure.status, failure=failure))

    return answer


def guard_api(desk: Desk, handler: Handler, scope: str | None = "read") -> AioHandler:
    """Return `handler` as a route of the API, which is read with GET or HEAD.

    It is for a session, or a token of `scope` and of the site asked for; without a scope any token will do.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            if request.method not in _READING:
                return _finish(_refuse_method(request))
            if not await _may_call(desk, request, scope):
                return _finish(_refuse_stranger())
            return _finish(await handler(desk, request))
        except Exception as error:  # noqa: BLE001  # the edge: whatever happened becomes an answer with an id
            failure = describe_failure(request, error)
            return _finish(answer_problem(failure.status, failure.detail, failure.hint))

    return answer


def redirect(location: str) -> web.Response:
    """Return an answer that sends the browser to `location` with a GET."""
    return web.Response(status=303, headers={"Location": location})


def build_sign_in_address(request: web.Request) -> str:
    """Return the sign-in page's address; it carries where a GET was going."""
    is_bound = request.method == "GET" and request.path != "/"
    return "/sign-in" + ("?" + urlencode({"next": request.path_qs}) if is_bound else "")


def answer_problem(status: int, detail: str, hint: str) -> web.Response:
    """Return an error as problem+json."""
    problem = Problem(title=http.HTTPStatus(status).phrase, status=status, detail=detail, hint=hint)
    return web.Response(body=msgspec.json.encode(problem), status=status, content_type="application/problem+json")


def describe_failure(request: web.Request, error: Exception) -> Failure:
    """Return what the asker is told of `error`; what nobody expected is logged under an id that the answer names."""
    if isinstance(error, RequestError):
        return Failure(error.status, str(error), error.hint)
    incident = secrets.token_hex(4)
    _log.error("incident %s at %s %s", incident, request.method, request.match_info.route.resource, exc_info=error)
    if isinstance(error, _BROKEN):
        return Failure(
            503,
            f"The database did not answer (incident {incident}).",
            "Try again in a moment; `jalki doctor` says what is wrong.",
        )
    return Failure(
        500,
        f"Something broke on our side (incident {incident}).",
        f"The log of the service tells more about incident {incident}.",
    )


def refuse_foreign_post(desk: Desk, request: web.Request) -> None:
    """Let only forms of the dashboard's own pages through.

    Raises:
        ForbiddenError: the post comes from another site, or does not say where from.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site == "same-origin":
        return
    origin = request.headers.get("Origin", "")
    own_hosts = {request.host, urlsplit(desk.origin(request)).netloc}
    if site is None and urlsplit(origin).netloc in own_hosts:
        return
    raise ForbiddenError("This form was sent from another site", "Open the page here and send it again.")


async def _has_session(desk: Desk, request: web.Request) -> bool:
    cookie = request.cookies.get(SESSION_COOKIE, "")
    if not cookie:
        return False
    async with desk.pool.acquire() as conn:
        return await is_signed_in(conn, cookie, desk.now())


async def _may_call(desk: Desk, request: web.Request, scope: str | None) -> bool:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return await _has_session(desk, request)
    async with desk.pool.acquire() as conn:
        token = await load_token_scope(conn, secret.strip())
    if token is None:
        return False
    if scope is not None:
        _refuse_beyond(token, request, scope)
    return True


def _refuse_beyond(token: ApiToken, request: web.Request, scope: str) -> None:
    """Compare the token with the request before anything is loaded, so that it tells nothing of other sites."""
    if token.site_id != parse_site_id(request.match_info.get("site", "")):
        raise ForbiddenError(
            f"Token {token.token_id} is not for this site", "Make one with `jalki token add --site …`."
        )
    if scope == "export" and token.scope != "export":
        raise ForbiddenError(
            f"Token {token.token_id} may read but not export",
            "Make one with `jalki token add --site … --scope export`.",
        )


def _refuse_stranger() -> web.Response:
    refusal = answer_problem(
        401,
        "Not signed in, or the token is not known",
        "Send `Authorization: Bearer TOKEN`; make one with `jalki token add --site …`.",
    )
    refusal.headers["WWW-Authenticate"] = "Bearer"
    return refusal


def _refuse_method(request: web.Request) -> web.Response:
    refusal = answer_problem(
        405, f"{request.method[:20]} is not a method of this API", "Every route is read with GET; nothing is changed."
    )
    refusal.headers["Allow"] = ", ".join(_READING)
    return refusal


def _finish(answer: web.StreamResponse) -> web.StreamResponse:
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    answer.headers.setdefault("Cache-Control", "private, no-cache")
    return answer
