"""Takes the README's screenshots anew: runs the demo on fresh data and photographs its dashboard in real Chromium."""

import asyncio
import io
import os
import signal
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from PIL import Image
from playwright.async_api import Page, async_playwright

from heatmap.demo import TIME_ZONE
from heatmap.demo.visitors import DAYS

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "heatmap" / "demo" / "screenshots"
ARTICLE = "/journal/a-cup-in-the-dark-months"
TODAY = datetime.now(ZoneInfo(TIME_ZONE)).date()
RANGE = f"from={TODAY - timedelta(days=DAYS - 1)}&to={TODAY}"
SHOTS = {
    "site": "/sites/1",
    "heatmap": f"/sites/1/heatmap?page=/&device=desktop&{RANGE}",
    "scroll": f"/sites/1/heatmap?page={ARTICLE}&kind=scroll&device=desktop&{RANGE}",
    "engagement": f"/sites/1/engagement?page={ARTICLE}&{RANGE}",
}
SIZE = {"width": 1440, "height": 900}


def main() -> None:
    """Take every shot of a demo on fresh data."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
        Path(data).chmod(0o755)
        asyncio.run(take_shots(data))


async def take_shots(data: str) -> None:
    """Start the demo, photograph it, end it."""
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heatmap", "demo", "--data", data, "--port", "0", "--site-port", "0"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        link = await read_link(demo)
        await photograph(link)
    finally:
        demo.send_signal(signal.SIGINT)
        await demo.wait()


async def read_link(demo: asyncio.subprocess.Process) -> str:
    """Return the sign-in link of the ready line."""
    assert demo.stdout is not None
    async for line in demo.stdout:
        if line.startswith(b"jalki ready: "):
            return line.decode().removeprefix("jalki ready: ").strip()
    raise SystemExit("the demo ended before it was ready")


async def photograph(link: str) -> None:
    """Sign in and write one PNG per shot."""
    base = link.split("/sign-in", 1)[0]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ["JALKI_TEST_CHROMIUM"],
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        page = await browser.new_page(viewport=SIZE)
        await page.goto(link)
        await page.wait_for_url(f"{base}/")
        for name, path in SHOTS.items():
            await write_shot(page, base + path, FOLDER / f"{name}.png")
        await browser.close()


async def write_shot(page: Page, url: str, target: Path) -> None:
    """Photograph one page once its pictures have arrived."""
    await page.goto(url, wait_until="load")
    await page.wait_for_function("[...document.images].every((image) => image.complete)")
    await page.wait_for_timeout(1000)
    shot = Image.open(io.BytesIO(await page.screenshot()))
    shot.convert("RGB").save(target, optimize=True)


if __name__ == "__main__":
    main()
