"""How the preparation of a data set is shown."""

from io import StringIO

import pytest
from rich.console import Console

from ae_jax.data.builders import Preparing
from ae_jax.report.preparing import PreparingDisplay

SAID = [
    Preparing("mnist: download a.gz", 50, 100),
    Preparing("mnist: download a.gz", 100, 100),
    Preparing("mnist: download b.gz", 30, None),
    Preparing("mnist: write train", 10, 10),
]


def shown(terminal: bool) -> str:
    file = StringIO()
    with PreparingDisplay(Console(file=file, force_terminal=terminal, width=100)) as display:
        for preparing in SAID:
            display(preparing)
    return file.getvalue()


def test_a_log_file_has_a_line_for_each_thing_done():
    assert shown(terminal=False) == "mnist: download a.gz, done\nmnist: write train, done\n"


@pytest.mark.parametrize("words", ["mnist: download a.gz", "mnist: download b.gz", "mnist: write train", "100%"])
def test_a_terminal_has_a_bar_for_each_thing(words):
    assert words in shown(terminal=True)


def test_a_failure_ends_the_bars():
    console = Console(file=StringIO(), force_terminal=True)
    display = PreparingDisplay(console)

    def fail() -> None:
        with display:
            display(SAID[0])
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        fail()
    console.print("after")
    assert console.file.getvalue().rstrip().endswith("after")
