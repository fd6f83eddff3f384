"""The floor of the way in: aiohttp that reads a body, decodes it as we do, and answers 204. It stores nothing."""

from aiohttp import web

from collector.wire import Batch, decode_batch

from .rival import run_rival


async def collect(request: web.Request) -> web.Response:
    """Answer 204 to a batch."""
    batch = decode_batch(await request.read())
    return web.Response(status=204 if isinstance(batch, Batch) else 400)


def build_app(_database_url: str) -> web.Application:
    """Return an application of that one route."""
    app = web.Application()
    app.router.add_post("/v1/events", collect)
    return app


if __name__ == "__main__":
    run_rival(build_app)
