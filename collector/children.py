"""Child processes that never outlive their parent.

`kill -9` of the parent runs none of its code, so the kernel must do it: on Linux the child asks to be signalled when
its parent dies. Elsewhere a child ends with the orderly stop only, and the next start finds and stops the leftover.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@dataclass(frozen=True, slots=True)
class Account:
    """An operating-system user that a child runs as."""

    name: str
    uid: int
    gid: int


def follow_parent(number: signal.Signals, account: Account | None = None) -> Callable[[], None]:
    """Return a `preexec_fn`: the child changes to `account` and gets `number` when its parent dies.

    It has a process group of its own: Ctrl-C in the terminal is for the parent, which stops its parts in order.
    The signal belongs to the thread that forks (prctl(2)): start the child from the main thread. It is forgotten when
    the user changes, so the user changes first.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None
    parent = os.getpid()

    def prepare() -> None:
        os.setpgid(0, 0)
        if account is not None:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
            if os.getppid() != parent:  # it died between fork and prctl
                os._exit(1)

    return prepare
