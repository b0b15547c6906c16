"""The Python blocks of the README, CONTRIBUTING and the documentation's pages run."""

import re
from pathlib import Path

import pytest

from ae_jax.models import GROUPS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / ".docs").glob("*.md"))]
BLOCKS = {
    f"{path.name}, block {number}": block
    for path in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), flags=re.S))
}


def test_the_readme_is_short_and_has_an_example() -> None:
    assert len(PAGES[0].read_text().splitlines()) <= 180
    assert "README.md, block 0" in BLOCKS


@pytest.mark.parametrize("name", BLOCKS)
def test_block_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[name], name, "exec"), {"__name__": "readme"})


def test_the_readme_names_every_autoencoder_in_its_group() -> None:
    rows = re.findall(r"^\| (\w+) \| (.*`.*) \|$", PAGES[0].read_text().partition("## Models")[2], flags=re.M)
    named = {group: re.findall(r"`(\w+)`", names) for group, names in rows if group in GROUPS}
    assert {group: sorted(names) for group, names in named.items()} == {
        group: sorted(function.__name__ for function in functions) for group, functions in GROUPS.items()
    }
