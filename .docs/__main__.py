"""Builds the documentation: ``python .docs [FOLDER]`` writes FOLDER/html from written and generated pages."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from ae_jax.cli.session import use_cache

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PARTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "experiments", "notebooks")
"""Files and folders of the repository that are pages or are linked from one."""


def gather(source: Path) -> None:
    """Copies the written pages to a folder, beside which others are generated."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("__pycache__"))
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__", "runs", ".*"))
        else:
            shutil.copy2(ROOT / part, source)
    for page in source.glob("*.md"):  # the pages of .docs lie beside the README there
        page.write_text(page.read_text().replace("](.docs/", "](").replace("](../", "]("))


def main() -> int:
    """Gathers, generates and builds; returns Sphinx's exit code, with warnings as errors."""
    parser = argparse.ArgumentParser(prog="python .docs", description="Builds the documentation.")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=ROOT / "build" / "docs", help="output folder (default: build/docs)"
    )
    folder = parser.parse_args().folder.resolve()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    use_cache()
    # Imported here because JAX reads its environment when it is imported.
    from pages import generate
    from sphinx.cmd.build import main as sphinx

    gather(folder / "source")
    generate(folder / "source")
    strict = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    places = [folder / "source", folder / "html"]
    return sphinx([*strict, "--doctree-dir", str(folder / "doctrees"), *map(str, places)])


if __name__ == "__main__":
    sys.exit(main())
