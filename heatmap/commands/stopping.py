"""The end of a server: what the kernel has accepted is answered, and each answer says that it is its connection's last.

What `aiohttp` does by itself resets connections that wait in the listening socket, and promises clients a connection
that it then closes.
"""

import asyncio
import contextlib
import socket
from dataclasses import dataclass

from aiohttp import web

_TURNS = 4
"""Turns of the loop in which a connection is taken, read, parsed and given to its handler."""
_MOST = 4_096
"""Connections taken in one turn, as many as a socket holds: who connects faster cannot keep the server from ending."""


@dataclass(slots=True)
class Ending:
    """Whether the server is about to stop."""

    is_near: bool = False

    async def mark(self, _request: web.Request, answer: web.StreamResponse) -> None:
        """Say in an answer whether its connection goes on; a receiver of `on_response_prepare`."""
        if self.is_near:
            answer.headers["Connection"] = "close"
            answer.force_close()

    async def announce(self, server: web.Server, sock: socket.socket) -> None:
        """Take every connection that waits in `sock`, and let what has been sent begin to be answered."""
        self.is_near = True
        loop = asyncio.get_running_loop()
        for _ in range(_TURNS):
            for accepted in _accept_all(sock):
                await loop.connect_accepted_socket(server, accepted)
            await asyncio.sleep(0)


def _accept_all(sock: socket.socket) -> list[socket.socket]:
    taken: list[socket.socket] = []
    with contextlib.suppress(OSError):  # none is left, or the one that was left has gone
        while len(taken) < _MOST:
            taken.append(sock.accept()[0])
            taken[-1].settimeout(0)
    return taken
