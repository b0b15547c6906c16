"""Displays of progress: bars on a terminal and in Jupyter, plain lines in a log file."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rich import progress as rich_progress
from rich.console import Console
from rich.text import Text

from ae_jax.data import DownloadProgress
from ae_jax.training import Callback, Progress

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
      >>> with ProgressDisplay(Console(file=StringIO())) as display:
      ...     display.on_epoch(Progress("sparse", 10, 10, {"train": {"loss": 0.5}}, running=0))
      >>> display.console.file.getvalue()
      'sparse: epoch 10/10, train loss 0.5, done in 0 s\n'
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
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._display.stop()

    def on_epoch(self, progress: Progress) -> None:
        """Shows an epoch of :func:`ae_jax.fit`."""
        self._display.show(progress)

    def __call__(self, record: DownloadProgress) -> None:
        """Shows a record of :func:`ae_jax.data.prepare`."""
        self._display.show(record)


class _Lines:
    """Prints a line after the first epoch, about every tenth of the epochs, and the last; and after each file."""

    def __init__(self, console: Console, clock: Callable[[], float]):
        self._console, self._clock = console, clock
        self._last: Progress | None = None
        self._began = self._first = self._seen = clock()

    def start(self) -> None:
        self._seen = self._clock()

    def stop(self) -> None:
        pass

    def show(self, record: Progress | DownloadProgress) -> None:
        if isinstance(record, DownloadProgress):
            if record.done == record.total:
                self._print(f"{record.what}, done")
            return
        now = self._clock()
        if starts_anew(self._last, record):
            self._began, self._first = self._seen, now
        before, after = (epoch * 10 // record.epochs for epoch in (record.epoch - 1, record.epoch))
        if ended(record) or record.epoch == 1 or before < after:
            losses = "".join(f", {split} loss {value}" for split, value in losses_of(record).items())
            self._print(f"{record.name}: epoch {record.epoch}/{record.epochs}{losses}{self._time(record, now)}")
        self._last, self._seen = record, now

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    def _time(self, record: Progress, now: float) -> str:
        """The time taken, or the time left by the epochs after the first, which compiles."""
        if ended(record):
            return f", done in {now - self._began:.0f} s"
        if record.epoch == 1:
            return ""
        rest = (now - self._first) / (record.epoch - 1) * (record.epochs - record.epoch)
        return f", about {rest:.0f} s left"


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
        self._task: rich_progress.TaskID | None = None
        self._files: dict[str, rich_progress.TaskID] = {}
        self._last: Progress | None = None
        self._seen = self._bars.get_time()

    def start(self) -> None:
        self._seen = self._bars.get_time()
        self._bars.start()

    def stop(self) -> None:
        self._bars.stop()

    def show(self, record: Progress | DownloadProgress) -> None:
        if isinstance(record, DownloadProgress):
            self._show_file(record)
            return
        if self._task is None or starts_anew(self._last, record):
            self._task = self._bars.add_task(record.name, total=record.epochs, losses="", count="")
            self._bars.tasks[-1].start_time = self._seen
        values = losses_of(record)
        if self._bars.console.width < _NARROW:
            losses = " / ".join(values.values())
        else:
            losses = "  ".join(f"{split} {loss}" for split, loss in values.items())
        total = record.epoch if ended(record) else record.epochs
        count = f"{record.epoch:>{len(str(total))}}/{total}"
        self._bars.update(self._task, completed=record.epoch, total=total, losses=losses, count=count)
        self._last, self._seen = record, self._bars.get_time()

    def _show_file(self, record: DownloadProgress) -> None:
        if record.what not in self._files:
            self._files[record.what] = self._bars.add_task(record.what, losses="", count="")
        count = f"{record.done / record.total:4.0%}" if record.total else ""
        self._bars.update(self._files[record.what], completed=record.done, total=record.total, count=count)


class _NotebookBars(_Bars):
    """Rich's bars in one display of the notebook, updated in place; needs no widgets."""

    def __init__(self, console: Console):
        super().__init__(console)
        self._handle: Any = None
        self._drawn = -_NOTEBOOK_SECONDS

    def start(self) -> None:
        from IPython.display import display

        self._handle = display(self._bars.get_renderable(), display_id=True)

    def stop(self) -> None:
        self._handle.update(self._bars.get_renderable())

    def show(self, record: Progress | DownloadProgress) -> None:
        super().show(record)
        now = time.monotonic()
        done = isinstance(record, Progress) and ended(record)
        if self._handle is not None and (done or now - self._drawn >= _NOTEBOOK_SECONDS):
            self._drawn = now
            self._handle.update(self._bars.get_renderable())


def starts_anew(last: Progress | None, progress: Progress) -> bool:
    """Whether this record is of another training than the last one.

    Example:
      >>> starts_anew(Progress("a", 2, 9, {}, 1), Progress("a", 3, 9, {}, 1))
      False
    """
    return last is None or last.name != progress.name or progress.epoch <= last.epoch


def ended(progress: Progress) -> bool:
    """Whether no epoch will follow: all were done, or no member trains on."""
    return progress.epoch >= progress.epochs or progress.running == 0


def losses_of(progress: Progress) -> dict[str, str]:
    """Returns the loss of each split as text.

    Example:
      >>> losses_of(Progress("a", 1, 2, {"train": {"loss": 1.23456, "kl": 0.1}, "validation": {"loss": 2.0}}, 1))
      {'train': '1.235', 'validation': '2'}
    """
    return {split: f"{terms['loss']:.4g}" for split, terms in progress.metrics.items() if "loss" in terms}
