"""Displays of progress: bars on a terminal and in Jupyter, plain lines in a log file."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rich import progress as rich_progress
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ae_jax.data import DownloadProgress
from ae_jax.errors import printable
from ae_jax.training.callbacks import Callback, Progress
from ae_jax.training.plan import Plan

_NARROW, _WIDE = 80, 100
_NOTEBOOK_SECONDS = 0.3


class ProgressDisplay(Callback):
    r"""Shows the progress of training or of preparing a data set, as one of ``callbacks=`` or as ``progress=``.

    On a terminal and in Jupyter each autoencoder or file has a bar. Elsewhere a line is printed after about every tenth
    of the epochs, and after each file. Everything goes to the standard error, so that the standard output holds
    results only.

    Args:
      console: where to print; by default the standard error.
      clock: time in seconds, for the plain lines.

    Example:
      >>> from io import StringIO
      >>> import ae_jax
      >>> with ProgressDisplay(Console(file=StringIO())) as display:
      ...     model = ae_jax.undercomplete(code=2, hidden=())
      ...     run = ae_jax.fit(model, ae_jax.data.digits(), epochs=1, callbacks=[display])
      >>> display.console.file.getvalue().split(",")[0]
      'undercomplete: epoch 1/1'
    """

    def __init__(self, console: Console | None = None, *, clock: Callable[[], float] = time.perf_counter):
        self.console = Console(stderr=True) if console is None else console
        if self.console.is_jupyter:
            self._display: _Lines | _Bars = _NotebookBars(self.console)
        elif self.console.is_terminal and not self.console.is_dumb_terminal:
            self._display = _Bars(self.console)
        else:
            self._display = _Lines(self.console, clock)

    def __enter__(self) -> "ProgressDisplay":
        self._display.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._display.close()

    def on_start(self, plan: Plan) -> None:
        """Begins the display of a training."""
        self._display.start(plan.autoencoder.name, plan.config.epochs)

    def on_epoch(self, progress: Progress) -> None:
        """Shows an epoch of :func:`ae_jax.fit`."""
        losses = {split: f"{terms['loss']:.4g}" for split, terms in progress.metrics.items() if "loss" in terms}
        # No epoch follows where all were done or no member trains on.
        self._display.show(progress, losses, progress.epoch >= progress.epochs or progress.running == 0)

    def __call__(self, record: DownloadProgress) -> None:
        """Shows a record of :func:`ae_jax.data.prepare`."""
        self._display.show_file(record)


class _Lines:
    """Prints a line after the first epoch, about every tenth of the epochs, and the last; and after each file."""

    def __init__(self, console: Console, clock: Callable[[], float]):
        self._console, self._clock = console, clock
        self._began = clock()
        self._first: tuple[int, float] | None = None

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def start(self, name: str, epochs: int) -> None:
        self._began, self._first = self._clock(), None

    def show(self, record: Progress, losses: dict[str, str], ended: bool) -> None:
        now = self._clock()
        before, after = (epoch * 10 // record.epochs for epoch in (record.epoch - 1, record.epoch))
        if ended or self._first is None or before < after:
            spent = ""
            if ended:
                spent = f", done in {now - self._began:.0f} s"
            elif self._first is not None:  # the time left by the epochs after the first, which compiles
                epoch, then = self._first
                rest = (now - then) / (record.epoch - epoch) * (record.epochs - record.epoch)
                spent = f", about {rest:.0f} s left"
            values = "".join(f", {split} loss {value}" for split, value in losses.items())
            self._print(f"{record.name}: epoch {record.epoch}/{record.epochs}{values}{spent}")
        self._first = self._first or (record.epoch, now)

    def show_file(self, record: DownloadProgress) -> None:
        if record.done == record.total:
            self._print(f"{record.what}, done")

    def _print(self, line: str) -> None:
        self._console.print(Text(printable(line)), soft_wrap=True)


class _Bars:
    """A live bar for each training and each file, drawn by rich."""

    def __init__(self, console: Console):
        narrow = console.width < _WIDE
        self._bars = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.BarColumn(bar_width=None if narrow else 30),
            rich_progress.TextColumn("{task.fields[count]}", markup=False),
            rich_progress.TextColumn("{task.fields[losses]}", markup=False),
            rich_progress.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
            auto_refresh=not console.is_jupyter,
            expand=narrow,
        )
        self._tasks: dict[str, rich_progress.TaskID] = {}

    def open(self) -> None:
        self._bars.start()

    def close(self) -> None:
        self._bars.stop()

    def start(self, name: str, epochs: int | None) -> None:
        self._tasks[name] = self._bars.add_task(printable(name), total=epochs, losses="", count="")

    def show(self, record: Progress, losses: dict[str, str], ended: bool) -> None:
        if self._bars.console.width < _NARROW:
            text = " / ".join(losses.values())
        else:
            text = "  ".join(f"{split} {loss}" for split, loss in losses.items())
        total = record.epoch if ended else record.epochs
        count = f"{record.epoch:>{len(str(total))}}/{total}"
        self._update(record.name, completed=record.epoch, total=total, losses=text, count=count)

    def show_file(self, record: DownloadProgress) -> None:
        if record.what not in self._tasks:
            self.start(record.what, None)
        count = f"{record.done / record.total:4.0%}" if record.total else ""
        self._update(record.what, completed=record.done, total=record.total, count=count)

    def _update(self, name: str, **fields: Any) -> None:
        self._bars.update(self._tasks[name], **fields)


class _NotebookBars(_Bars):
    """Rich's bars in one display of the notebook, updated in place; needs no widgets."""

    def open(self) -> None:
        from IPython.display import display

        self._handle: Any = display(self._table(), display_id=True)
        self._drawn = time.monotonic()

    def close(self) -> None:
        self._handle.update(self._table())

    def _update(self, name: str, **fields: Any) -> None:
        super()._update(name, **fields)
        now = time.monotonic()
        if now - self._drawn >= _NOTEBOOK_SECONDS:
            self._drawn = now
            self._handle.update(self._table())

    def _table(self) -> Table:
        """The bars as a table, which a notebook shows; rich's group of renderables has no HTML."""
        return self._bars.make_tasks_table(self._bars.tasks)
