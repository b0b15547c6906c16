"""Progress: bars on a terminal, lines in a file, one display in a notebook."""

import dataclasses
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

import ae_jax
from ae_jax.data import Dataset, DownloadProgress
from ae_jax.training import Plan, Progress, ProgressDisplay, TrainConfig
from ae_jax.training.plan import plan

FILES = [
    DownloadProgress("mnist: download a.gz", 50, 100),
    DownloadProgress("mnist: download a.gz", 100, 100),
    DownloadProgress("mnist: download b.gz", 30, None),
    DownloadProgress("mnist: download c.gz", 10, 10),
]


def record(name: str, epoch: int, epochs: int, running: int = 2) -> Progress:
    return Progress(name, epoch, epochs, {"train": {"loss": 1 / epoch}, "validation": {"loss": 2 / epoch}}, running)


def started(name: str, epochs: int) -> Plan:
    """The plan of a training of that name."""
    model = dataclasses.replace(ae_jax.undercomplete(code=2, hidden=()), name=name)
    return plan(model, np.zeros((4, 3), np.float32), TrainConfig(epochs=epochs), seeds=0)


class Clock:
    """A clock that moves only when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def in_file() -> Console:
    return Console(file=StringIO(), force_terminal=False, width=80)


def on_terminal(width: int = 120) -> Console:
    return Console(file=StringIO(), force_terminal=True, width=width, color_system=None, _environ={})


def text(display: ProgressDisplay) -> str:
    return display.console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_lines_have_losses_and_the_time_of_their_training():
    clock = Clock()
    with ProgressDisplay(in_file(), clock=clock) as display:
        for name in ("a", "b"):
            display.on_start(started(name, 10))
            for epoch in range(1, 11):
                clock.now += 30.0 if epoch == 1 else 2.0
                display.on_epoch(record(name, epoch, 10))
    lines = text(display).splitlines()
    assert lines[0] == "a: epoch 1/10, train loss 1, validation loss 2"
    assert lines[4] == "a: epoch 5/10, train loss 0.2, validation loss 0.4, about 10 s left"
    assert lines[9] == "a: epoch 10/10, train loss 0.1, validation loss 0.2, done in 48 s"
    assert lines[19].endswith("done in 48 s")
    with ProgressDisplay(in_file()) as display:
        display.on_start(started("sparse", 200))
        for epoch in range(1, 201):
            display.on_epoch(record("sparse", epoch, 200))
    lines = text(display).splitlines()
    assert [line.split()[2].rstrip(",") for line in lines] == [f"{epoch}/200" for epoch in (1, *range(20, 201, 20))]
    assert "\x1b" not in text(display)


def test_training_that_stops_early_has_a_last_line_and_a_full_bar():
    for console, end in ((in_file(), "sparse: epoch 7/100"), (on_terminal(), "7/7")):
        with ProgressDisplay(console) as display:
            display.on_start(started("sparse", 100))
            display.on_epoch(record("sparse", 1, 100))
            display.on_epoch(record("sparse", 7, 100, running=0))
        assert end in text(display)


@pytest.mark.parametrize("width", [60, 120])
def test_a_terminal_has_a_bar_for_each_training(width: int):
    with ProgressDisplay(on_terminal(width)) as display:
        for name in ("sparse", "mine [red]", "mine [red]"):
            display.on_start(started(name, 40))
            for epoch in range(1, 41):
                display.on_epoch(record(name, epoch, 40))
    final = "".join(text(display).rsplit("\x1b[2K", 3)[-3:])
    assert "sparse" in final
    assert final.count("mine [red]") == 2
    assert final.count("40/40") == 3
    assert "0.025" in final
    last = text(display).split("\x1b[2K")[-1].split("\x1b[?25h")[0]
    assert all(len(line) <= width for line in last.splitlines())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_restores_the_terminal(error: type[BaseException]):
    display = ProgressDisplay(on_terminal())

    def train() -> None:
        with display:
            display.on_start(started("sparse", 100))
            display.on_epoch(record("sparse", 1, 100))
            raise error

    with pytest.raises(error):
        train()
    assert text(display).count("\x1b[?25l") == text(display).count("\x1b[?25h") == 1


def test_fit_shows_its_progress_on_the_standard_error(small: Dataset, capsys: pytest.CaptureFixture[str]):
    ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), small, epochs=2, batch_size=16, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "undercomplete: epoch 2/2" in captured.err


def test_a_notebook_has_one_display_that_is_updated(monkeypatch: pytest.MonkeyPatch):
    shown = []

    class Handle:
        def update(self, content):
            assert "40" in content._repr_mimebundle_([], [])["text/html"]  # what a notebook shows
            shown[0] = Console(file=StringIO(), width=120)
            shown[0].print(content)

    def display(content, display_id):
        shown.append(content)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    with ProgressDisplay(Console(file=StringIO(), force_jupyter=True)) as progress:
        progress.on_start(started("sparse", 40))
        for epoch in range(1, 41):
            progress.on_epoch(record("sparse", epoch, 40))
    assert len(shown) == 1
    assert "sparse" in shown[0].file.getvalue()
    assert "40/40" in shown[0].file.getvalue()
    assert text(progress) == ""


@pytest.mark.parametrize("console", [in_file(), on_terminal()])
def test_preparing_a_data_set_shows_each_file(console: Console):
    with ProgressDisplay(console) as display:
        for preparing in FILES:
            display(preparing)
    if console.is_terminal:
        assert all(words in text(display) for words in ("a.gz", "b.gz", "c.gz", "100%"))
    else:
        assert text(display) == "mnist: download a.gz, done\nmnist: download c.gz, done\n"
