"""CPU seconds of processes, from /proc: user and system time of the living, and of the dead through their parents."""

import os
from collections import defaultdict
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PARENT, _FIRST, _LAST = 1, 11, 14  # places after the name, proc_pid_stat(5)


def tree_cpu_s(pid: int) -> float:
    """Return the CPU of a process, of all that live below it, and of all that they have outlived."""
    table = _read_table()
    children = defaultdict(list)
    for one, fields in table.items():
        children[fields[_PARENT]].append(one)
    ticks, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        waiting += children[one]
        ticks += sum(table[one][_FIRST : _LAST + 1]) if one in table else 0
    return ticks / _TICKS_A_SECOND


def machine_cpu_s() -> float:
    """Return what all processes of the machine have taken, and what its host has taken from it."""
    name, *numbers = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()
    user, nice, system, _idle, _waiting, *rest = (int(number) for number in numbers[:8])
    assert name == "cpu"
    return (user + nice + system + sum(rest)) / _TICKS_A_SECOND


def _read_table() -> dict[int, list[int]]:
    table = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, *numbers = text.rpartition(")")[2].split()
        table[int(entry.name)] = [ord(state), *(int(number) for number in numbers)]
    return table
