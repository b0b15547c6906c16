"""Progress: bars on a terminal, lines in a file, a display in a notebook, and order after an exception."""

import subprocess
import sys
from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

import ae_jax
from ae_jax.data import Dataset
from ae_jax.report import ProgressDisplay
from ae_jax.training import Progress

Told = Callable[..., Progress]


class Clock:
    """Seconds that pass only when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def in_file() -> Console:
    return Console(file=StringIO(), force_terminal=False, width=80)


def on_terminal(width: int = 120) -> Console:
    return Console(file=StringIO(), force_terminal=True, width=width, color_system=None, _environ={})


def text(display: ProgressDisplay) -> str:
    return display.console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_a_file_has_a_line_for_about_each_tenth(told: Told):
    with ProgressDisplay(in_file()) as display:
        for epoch in range(1, 201):
            display(told("sparse", epoch, 200))
    lines = text(display).splitlines()
    assert [line.split()[2].rstrip(",") for line in lines] == [f"{epoch}/200" for epoch in (1, *range(20, 201, 20))]
    assert "\x1b" not in text(display)


def test_lines_have_losses_and_time(told: Told):
    clock = Clock()
    with ProgressDisplay(in_file(), clock=clock) as display:
        for epoch in range(1, 11):
            clock.now += 30.0 if epoch == 1 else 2.0
            display(told("sparse", epoch, 10))
    lines = text(display).splitlines()
    assert lines[0] == "sparse: epoch 1/10, train loss 1, validation loss 2"
    assert lines[4] == "sparse: epoch 5/10, train loss 0.2, validation loss 0.4, about 10 s left"
    assert lines[9] == "sparse: epoch 10/10, train loss 0.1, validation loss 0.2, done in 48 s"


def test_each_autoencoder_has_its_own_time(told: Told):
    clock = Clock()
    with ProgressDisplay(in_file(), clock=clock) as display:
        for name in ("a", "b"):
            for epoch in (1, 2):
                clock.now += 1.0
                display(told(name, epoch, 2))
    assert [line for line in text(display).splitlines() if "done" in line][1].endswith("done in 2 s")


def test_a_training_that_stops_early_has_a_last_line(told: Told):
    with ProgressDisplay(in_file()) as display:
        display(told("sparse", 1, 100))
        display(told("sparse", 2, 100, running=0))
    assert text(display).splitlines()[-1].startswith("sparse: epoch 2/100")
    assert "done in" in text(display)


def test_long_names_stay_on_one_line(told: Told):
    with ProgressDisplay(in_file()) as display:
        display(told("[bold]" + "x" * 200, 10, 10))
    assert len(text(display).splitlines()) == 1
    assert text(display).startswith("[bold]x")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_has_a_bar_for_each_autoencoder(told: Told, width: int):
    with ProgressDisplay(on_terminal(width)) as display:
        for name in ("sparse", "mine [red]"):
            for epoch in range(1, 41):
                display(told(name, epoch, 40))
    last = text(display).split("\x1b[2K")[-1].split("\x1b[?25h")[0]
    final = "".join(text(display).rsplit("\x1b[2K", 2)[-2:])
    assert "sparse" in final
    assert "mine [red]" in final
    assert final.count("40/40") == 2
    assert "0.025" in final
    assert all(len(line) <= width for line in last.splitlines())


def test_a_bar_that_stops_early_is_full(told: Told):
    with ProgressDisplay(on_terminal()) as display:
        display(told("sparse", 1, 100))
        display(told("sparse", 7, 100, running=0))
    assert "7/7" in text(display)


def test_a_second_population_of_one_name_has_its_own_bar(told: Told):
    with ProgressDisplay(on_terminal()) as display:
        for _ in range(2):
            for epoch in (1, 2):
                display(told("sparse", epoch, 2))
    assert "".join(text(display).rsplit("\x1b[2K", 2)[-2:]).count("2/2") == 2


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_terminal_in_order(told: Told, error: type[BaseException]):
    display = ProgressDisplay(on_terminal())

    def train() -> None:
        with display:
            display(told("sparse", 1, 100))
            raise error

    with pytest.raises(error):
        train()
    assert text(display).count("\x1b[?25l") == text(display).count("\x1b[?25h") == 1


def test_a_dumb_terminal_has_lines(told: Told):
    console = Console(file=StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    with ProgressDisplay(console) as display:
        display(told("sparse", 10, 10))
    assert text(display).startswith("sparse: epoch 10/10")


def test_fit_tells_the_display(small: Dataset):
    with ProgressDisplay(in_file()) as display:
        ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), small, epochs=2, batch_size=16, progress=display)
    assert [line.split(",")[0] for line in text(display).splitlines()] == [
        "undercomplete: epoch 1/2",
        "undercomplete: epoch 2/2",
    ]


def test_the_standard_output_stays_clean(told: Told, capsys: pytest.CaptureFixture[str]):
    with ProgressDisplay() as display:
        display(told("sparse", 10, 10))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "sparse" in captured.err


def test_a_notebook_has_one_display_that_is_updated(told: Told, monkeypatch: pytest.MonkeyPatch):
    from IPython.core import display_functions

    shown = []

    class Handle:
        def update(self, content):
            shown[0] = content._repr_mimebundle_([], [])["text/html"]

    def display(content, display_id):
        shown.append(content)
        return Handle()

    monkeypatch.setattr(display_functions, "display", display)
    monkeypatch.setattr("IPython.display.display", display)
    with ProgressDisplay(Console(file=StringIO(), force_jupyter=True)) as progress:
        for epoch in range(1, 41):
            progress(told("sparse", epoch, 40))
    assert len(shown) == 1
    assert "sparse" in shown[0]
    assert "40/40" in shown[0]
    assert progress.console.file.getvalue() == ""  # pyright: ignore[reportAttributeAccessIssue]


def test_the_package_needs_no_matplotlib_to_be_imported():
    code = "import sys, ae_jax; sys.exit('matplotlib' in sys.modules or 'ae_jax.report' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
