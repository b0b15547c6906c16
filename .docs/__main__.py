"""Builds the documentation: ``python .docs [FOLDER]`` writes FOLDER/html from pages that it gathers and generates."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from ae_jax.cli.session import use_cache

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PARTS = ("README.md", "CHANGELOG.md", "LICENSE", "experiments", "notebooks")
"""What of the repository is a page, or is linked from one."""


def gather(source: Path) -> None:
    """Copies what people wrote to a folder, so that what is generated beside them stays out of the repository."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("__pycache__"))
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__", "runs", ".*"))
        else:
            shutil.copy2(ROOT / part, source)


def main() -> int:
    """Gathers, generates and builds; the exit code is Sphinx's, which takes warnings for errors."""
    parser = argparse.ArgumentParser(prog="python .docs", description="Builds the documentation.")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=ROOT / "build" / "docs", help="where to (default: build/docs)"
    )
    folder = parser.parse_args().folder.resolve()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    use_cache()
    # Here, since JAX reads its environment when it is imported.
    from pages import generate
    from sphinx.cmd.build import main as sphinx

    gather(folder / "source")
    generate(folder / "source")
    strict = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    places = [folder / "source", folder / "html"]
    return sphinx([*strict, "--doctree-dir", str(folder / "doctrees"), *map(str, places)])


if __name__ == "__main__":
    sys.exit(main())
