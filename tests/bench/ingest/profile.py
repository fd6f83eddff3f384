"""Where our own process spends its time: the real collector under load, with a profiler in it.

    PYTHONPATH=tests python -m bench.ingest.profile [--clicks 20] [--seconds 5] [--calls] [--top 40]

Samples which Python lines stand on the stack, every few milliseconds of CPU, so that the picture is that of an
undisturbed run; a call into C counts for the line that made it. `--calls` counts every call instead (cProfile:
exact numbers of calls, but each is dearer than in truth).
"""

import argparse
import asyncio
import cProfile
import io
import pstats
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from heatmap.__main__ import main as jalki

from .bodies import Headers, Order
from .load import STUCK_S, Job, Report
from .stage import SITE_KEY, open_stage, running_ours, running_steered

_INTERVAL_S = 0.001  # the kernel rounds it up to its own tick
_ALWAYS = 0.97  # what is always on the stack started the loop
_ROOT = Path(__file__).parents[3]


@dataclass(slots=True)
class Sampler:
    """Counts where the process is: `own` by function and by line, `within` by every function on the stack."""

    functions: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    within: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Begin to count."""
        signal.signal(signal.SIGPROF, self._note)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL_S, _INTERVAL_S)

    def stop(self) -> None:
        """Count no more."""
        signal.setitimer(signal.ITIMER_PROF, 0)

    def text(self, top: int) -> str:
        """Return the tables."""
        n = max(1, self.functions.total())
        parts = [f"{n} samples"]
        for title, counts in (("itself", self.functions), ("with all it calls", self.within), ("line", self.lines)):
            parts += ["", f"share  {title}"]
            inner = [(name, count) for name, count in counts.most_common() if count < _ALWAYS * n]
            parts += [f"{count / n:6.1%} {name}" for name, count in inner[:top]]
        return "\n".join(parts)

    def _note(self, _number: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self.functions[_function(frame)] += 1
        self.lines[f"{_file(frame)}:{frame.f_lineno}"] += 1
        stack = set()
        walker: FrameType | None = frame
        while walker is not None:
            stack.add(_function(walker))
            walker = walker.f_back
        self.within.update(stack)


@dataclass(slots=True)
class CallCounter:
    """cProfile with the interface of `Sampler`."""

    profile: cProfile.Profile = field(default_factory=cProfile.Profile)

    def start(self) -> None:
        """Begin to count."""
        self.profile.enable()

    def stop(self) -> None:
        """Count no more."""
        self.profile.disable()

    def text(self, top: int) -> str:
        """Return the functions by their own time."""
        out = io.StringIO()
        pstats.Stats(self.profile, stream=out).sort_stats("tottime").print_stats(top)
        return out.getvalue()


def _function(frame: FrameType) -> str:
    return f"{_file(frame)} {frame.f_code.co_qualname}"


def _file(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    return str(path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else Path(*path.parts[-2:]))


def serve(arguments: list[str]) -> None:
    """Be the collector, and count between SIGUSR1 and SIGUSR2; then print the figures to stderr."""
    way, top, *rest = arguments
    profiler = CallCounter() if way == "calls" else Sampler()

    def stop(_number: int, _frame: FrameType | None) -> None:
        profiler.stop()
        print(profiler.text(int(top)), file=sys.stderr, flush=True)

    signal.signal(signal.SIGUSR1, lambda _number, _frame: profiler.start())
    signal.signal(signal.SIGUSR2, stop)
    jalki(rest)


async def run(options: argparse.Namespace) -> None:
    """Profile one closed loop; what the profiled process prints goes to stderr."""
    way = [sys.executable, "-m", "bench.ingest.profile", "--serve", "calls" if options.calls else "samples"]
    program = [*way, str(options.top)]
    async with (
        open_stage() as stage,
        running_steered("load") as load,
        running_ours(stage, 1, program=program) as server,
    ):
        for seconds in (1.0, options.seconds):
            order = Order(SITE_KEY, options.clicks, int(seconds * 40_000), int(seconds * 1000), options.headers)
            job = Job(order, "127.0.0.1", server.port, options.connections, seconds)
            await load.prepare(job)
            before = server.cpu_s(), stage.postgres_cpu_s()
            is_last = seconds == options.seconds
            if is_last:
                server.processes[0].send_signal(signal.SIGUSR1)
            report = await load.run(Report, seconds + 2 * STUCK_S)
        events = report.acknowledged * options.clicks
        own, postgres = server.cpu_s() - before[0], stage.postgres_cpu_s() - before[1]
        print(f"{report.rate:,.0f} requests/s, {events / report.seconds:,.0f} events/s while profiled,", report.answers)
        print(
            f"{own / events * 1e6:.2f} µs of CPU an event here, {postgres / events * 1e6:.2f} in Postgres", flush=True
        )
        server.processes[0].send_signal(signal.SIGUSR2)
        await asyncio.sleep(1)  # it prints


def main() -> None:
    """Run as asked for."""
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--top", type=int, default=40)
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("--headers", type=Headers, default=Headers.CHROME)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
