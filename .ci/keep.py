"""Copies the built snippet and its modules to collector/released, for pages that have pinned or kept them.

A release does it once; what is there already is left as it is. Usage: keep.py [FOLDER], the folder with `dist` and
`released`, collector/ unless given.
"""

import sys
from pathlib import Path

from collector.bundles import load_bundles
from collector.snippet import version_of


def keep(package: Path) -> list[Path]:
    """Write what is built to `released` and return the new files."""
    bundles, released = load_bundles(package), package / "released"
    wanted = {released / f"{version_of(bundles.present, '')}.js": bundles.present.encode()}
    wanted |= {released / "modules" / f"{module.address}.js": module.body for module in bundles.modules}
    new = {path: body for path, body in wanted.items() if not path.exists()}
    for path, body in new.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return list(new)


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    for path in keep(Path(sys.argv[1]) if len(sys.argv) > 1 else root / "collector"):
        sys.stdout.write(f"{path}\n")
