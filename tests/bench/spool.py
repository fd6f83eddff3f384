"""Appends a second that are on the disk: the spool's group commit against a file for each batch.

A file for each batch is written, synced, renamed, and its folder synced; by one writer, and by as many at once as there
are appends waiting in the spool. Run: python tests/bench/spool.py [--folder DIR on the disk to measure]
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from collector.segments import encode_frames, scan
from collector.spool import Spool, open_spool

WAITING = 64
BATCH_BYTES = 1_600  # what a batch of 20 clicks takes
SECONDS = 3.0


async def append_for(spool: Spool, seconds: float, payload: bytes) -> int:
    """Return how many appends were answered while always `WAITING` were waiting."""
    end = time.perf_counter() + seconds

    async def sender() -> int:
        count = 0
        while time.perf_counter() < end:
            await spool.append(payload)
            count += 1
        return count

    return sum(await asyncio.gather(*(sender() for _ in range(WAITING))))


async def measure_spool(home: Path, payload: bytes) -> tuple[float, float, float]:
    """Return appends a second, seconds to open what they left, and records read and released a second."""
    spool = open_spool(home, 8 << 30)
    begun = time.perf_counter()
    appended = await append_for(spool, SECONDS, payload)
    took_s = time.perf_counter() - begun
    await spool.close()
    begun = time.perf_counter()
    spool = open_spool(home, 8 << 30)
    open_s = time.perf_counter() - begun
    assert spool.depth == appended, (spool.depth, appended)
    begun = time.perf_counter()
    read = 0
    while records := await spool.read(250, 4 << 20):
        read += len(records)
        await spool.release(records[-1])
    drain_s = time.perf_counter() - begun
    assert read == appended, (read, appended)
    await spool.close()
    return appended / took_s, open_s, read / drain_s


def write_file(folder: Path, name: str, payload: bytes) -> None:
    """Store one batch as a file of its own, on the disk when it returns."""
    part = folder / f"{name}.part"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, payload)
        os.fdatasync(fd)
    finally:
        os.close(fd)
    part.rename(folder / name)
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def measure_files(folder: Path, payload: bytes, writers: int) -> float:
    """Return files a second by so many writers at once."""
    folder.mkdir()
    end = time.perf_counter() + SECONDS

    def write_until_end(writer: int) -> int:
        count = 0
        while time.perf_counter() < end:
            write_file(folder, f"{writer}-{count}", payload)
            count += 1
        return count

    begun = time.perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        count = sum(pool.map(write_until_end, range(writers)))
    return count / (time.perf_counter() - begun)


def measure_format(payload: bytes) -> tuple[float, float]:
    """Return µs a record to encode and to scan, without a disk."""
    payloads = [payload] * 10_000
    begun = time.perf_counter()
    data = encode_frames(1, 0, 1, 0, payloads)
    encoded = time.perf_counter()
    count = sum(1 for _ in scan(data, 1))
    scanned = time.perf_counter()
    return (encoded - begun) / count * 1e6, (scanned - encoded) / count * 1e6


def main() -> None:
    """Measure all in one run and print the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=None)
    payload = random.Random(1).randbytes(BATCH_BYTES)
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as name:
        folder = Path(name)
        one = measure_files(folder / "one", payload, 1)
        many = measure_files(folder / "many", payload, WAITING)
        appends, open_s, drains = asyncio.run(measure_spool(folder / "spool", payload))
    encode_us, scan_us = measure_format(payload)
    print(f"{BATCH_BYTES} bytes a batch, {WAITING} waiting")
    print(
        f"spool                  {appends:9,.0f} a second; opened again in {open_s:.2f} s, read {drains:,.0f} a second"
    )
    print(f"a file each, 1 writer  {one:9,.0f} a second")
    print(f"a file each, {WAITING} at once {many:8,.0f} a second")
    print(f"encode {encode_us:.1f} µs, scan {scan_us:.1f} µs a record")
    print(f"ratio {appends / one:.0f} to one writer, {appends / many:.0f} to {WAITING}")


if __name__ == "__main__":
    main()
