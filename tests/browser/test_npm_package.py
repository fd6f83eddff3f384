"""The package @jalki/browser, as npm packs it: what is in it, its types, and an application bundled with it."""

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route
from snippet_site import ROOT, SITE_KEY, SnippetSite, fresh_page, snippet_site

pytestmark = pytest.mark.browser

_JS = ROOT / "js"
_TIMEOUT_S = 60
_VARIANT, _EVENT = 16, 17

APP = f"""
import {{ init, type Jalki, type Options }} from '@jalki/browser';
const options: Options = {{ host: location.origin, key: '{SITE_KEY}', params: ['page'] }};
const jalki: Jalki = init(options);
init(options); // as React's StrictMode does
jalki.variant('checkout', 'one page');
document.querySelector('#buy')?.addEventListener('click', () => {{
  jalki.event('buy', {{ price: 42, gift: false }});
  history.pushState(null, '', '/thanks?page=2&mail=anna');
}});
"""
PAGE = '<html><head><script type="module" src="/app/main.js"></script></head><body><h1>Shop</h1>\
<button id="buy">Buy</button></body></html>'
USES = """
import { init } from '@jalki/browser';
import type { Consent, Jalki, Options } from '@jalki/browser';
const jalki: Jalki = init({ host: 'https://stats.example.org', key: 'KEY' });
const word: Consent = 'granted';
jalki.consent(word);
jalki.event('sold', { price: 1, currency: 'EUR', isGift: true, voucher: null });
const all: Required<Options> = {
  host: '', key: '', signals: true, params: ['page'], hashRoutes: true, consentFirst: true, honourGpc: false,
};
init(all).stop();
// @ts-expect-error: a site has a key
init({ host: 'https://stats.example.org' });
// @ts-expect-error: no such word
jalki.consent('yes');
// @ts-expect-error: a value is plain
jalki.event('sold', { basket: { price: 1 } });
// @ts-expect-error: a variant has a value
jalki.variant('checkout');
"""


def _node() -> str:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None or not (_JS / "node_modules" / "esbuild").exists():
        pytest.skip("needs Node.js and `npm ci` in js/")
    return node


def _run(command: Sequence[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, timeout=_TIMEOUT_S, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in its node_modules, as npm would install it."""
    folder = tmp_path_factory.mktemp("npm")
    _run([_node(), "build-npm.mjs", folder / "built"], _JS)
    # Else npm would write a log and a cache at home.
    cache = f"--cache={folder / 'cache'}"
    packed = json.loads(_run(["npm", "pack", "--json", "--offline", cache, folder / "built"], folder))
    with tarfile.open(folder / packed[0]["filename"]) as archive:
        # Not extractall: Python 3.11.2 has no filters, and later ones warn where there is none.
        for member in filter(tarfile.TarInfo.isfile, archive):
            file = folder / "unpacked" / member.name
            file.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            assert content is not None
            file.write_bytes(content.read())
    target = folder / "node_modules" / "@jalki" / "browser"
    target.parent.mkdir(parents=True)
    shutil.move(folder / "unpacked" / "package", target)
    return folder


def _bundle(package: Path, source: str, name: str) -> Path:
    """Return a folder with `main.js` and its chunks, as esbuild makes them of an application."""
    folder = package / name
    folder.mkdir()
    entry = folder / "main.ts"
    entry.write_text(source)
    options = [
        "--bundle",
        "--splitting",
        "--format=esm",
        "--minify",
        f"--outdir={folder / 'out'}",
        "--log-level=warning",
    ]
    _run([_JS / "node_modules" / ".bin" / "esbuild", entry, *options], folder)
    return folder / "out"


def test_the_package_holds_its_chunks_types_and_readme_and_nothing_else(package: Path) -> None:
    """No sources, no tests, no dependency; every chunk that the core loads later is there under its name."""
    installed = package / "node_modules" / "@jalki" / "browser"
    names = {path.name for path in installed.iterdir() if not path.name.startswith("shared-")}
    chunks = {"index.js", "signals.js", "layout.js", "consent.js", "debug.js"}
    assert names == chunks | {"index.d.ts", "package.json", "README.md", "LICENSE"}
    manifest = json.loads((installed / "package.json").read_text())
    assert manifest["sideEffects"] is False
    assert not {"dependencies", "peerDependencies", "scripts"} & manifest.keys()
    assert manifest["version"] == json.loads((_JS / "package.json").read_text())["version"]


def test_every_option_stands_in_the_readme() -> None:
    """Its table has the options of the types, in their order."""
    options = (_JS / "npm" / "types.ts").read_text().partition("interface Options {")[2].partition("\n}")[0]
    table = (_JS / "npm" / "README.md").read_text().partition("## Options of `init`")[2].partition("\n## ")[0]
    assert re.findall(r"readonly (\w+)\??:", options) == re.findall(r"^\| `(\w+)` +\|", table, re.MULTILINE)


@pytest.mark.parametrize("resolution", ["bundler", "nodenext"])
def test_the_types_take_what_is_right_and_refuse_what_is_not(package: Path, resolution: str) -> None:
    """In strict TypeScript, as bundlers find them and as Node.js does."""
    folder = package / resolution
    folder.mkdir()
    (folder / "uses.mts").write_text(USES)
    module = "nodenext" if resolution == "nodenext" else "esnext"
    options = ["--noEmit", "--strict", "--target", "es2021", "--module", module, "--moduleResolution", resolution]
    _run([_JS / "node_modules" / ".bin" / "tsc", *options, "--types", "", folder / "uses.mts"], folder)


def test_an_application_that_uses_only_types_gains_not_a_byte(package: Path) -> None:
    """Nor does one that imports `init` and never uses it."""
    plain = "document.title = 'Shop';"
    types = "import type { Options } from '@jalki/browser';\nexport type Mine = Options;\n"
    unused = "import { init } from '@jalki/browser';\n"
    sizes = {
        name: [len(path.read_bytes()) for path in _bundle(package, source, name).iterdir()]
        for name, source in {"plain": plain, "types": types + plain, "unused": unused + plain}.items()
    }
    assert sizes["plain"] == sizes["types"] == sizes["unused"]


def test_on_a_server_it_does_nothing(package: Path) -> None:
    """Where there is no window, all of it may be called."""
    script = """
        import { init } from '@jalki/browser';
        const jalki = init({ host: 'https://stats.example.org', key: 'KEY' });
        jalki.event('rendered'); jalki.variant('a', 'b'); jalki.consent('granted'); jalki.stop();
    """
    assert _run([_node(), "--input-type=module", "--eval", script], package) == ""


def _named(site: SnippetSite) -> dict[int, str]:
    """Return the text of each kind of signal."""
    return {row["k"]: row["s"] for row in site.rows("f")}


async def test_a_bundled_application_is_recorded_as_a_page_with_the_tag(package: Path, chromium: Browser) -> None:
    """One view though it began twice, the click, the route with its parameter, the event and the variant."""
    built = _bundle(package, APP, "app")

    async def serve(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        await route.fulfill(path=built / name, content_type="text/javascript")

    policy = "default-src 'none'; script-src 'self'; connect-src 'self'"
    site_options = {"headers": {"Content-Security-Policy": policy}}
    async with snippet_site({"/shop": PAGE}, **site_options) as site, fresh_page(chromium) as page:
        await page.route("**/app/*", serve)
        async with page.expect_response("**/app/signals-*"):
            await page.goto(f"{site.url}/shop")
        await page.click("#buy")
        await site.wait_for(lambda site: len(site.paths()) == 2)
        await site.wait_for(lambda site: {_VARIANT, _EVENT} <= _named(site).keys())
        named = _named(site)
    assert site.paths() == [("/shop", 0), ("/thanks?page=2", 2)]
    assert [click["key"] for click in site.clicks()] == ["#buy"]
    assert named[_VARIANT] == "checkout=one page"
    assert named[_EVENT] == 'buy {"price":42,"gift":false}'
