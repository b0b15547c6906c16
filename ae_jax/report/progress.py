"""Progress while one waits: a bar on a terminal and in Jupyter, a line now and then in a log file."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ae_jax.training import Progress

_SHARE = 10
_NARROW, _WIDE = 80, 100
_NOTEBOOK_SECONDS = 0.3


class ProgressDisplay:
    r"""Shows how training goes on, for ``progress=`` of :func:`ae_jax.fit` and of the studies.

    On a terminal each autoencoder has a live bar; in Jupyter the same bars, without widgets; elsewhere a plain line
    says so about every tenth of the epochs. Everything goes to the standard error, so that results on the standard
    output stay clean.

    Args:
      console: where to; by default the standard error.
      clock: seconds that pass, for the plain lines.

    Example:
      >>> from io import StringIO
      >>> with ProgressDisplay(Console(file=StringIO())) as display:
      ...     display(Progress("sparse", 10, 10, {"train": {"loss": 0.5}}, running=0))
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

    def __call__(self, progress: Progress) -> None:
        """Takes in what :func:`ae_jax.fit` says after an epoch."""
        self._display.show(progress)


class _Lines:
    """A line after the first epoch, about every tenth of the epochs, and after the last."""

    def __init__(self, console: Console, clock: Callable[[], float]):
        self._console, self._clock = console, clock
        self._last: Progress | None = None
        self._began = self._first = self._seen = clock()

    def start(self) -> None:
        self._seen = self._clock()

    def stop(self) -> None:
        pass

    def show(self, progress: Progress) -> None:
        now = self._clock()
        if begins_anew(self._last, progress):
            self._began, self._first = self._seen, now
        before = progress.epoch - 1
        tenths = [epoch * _SHARE // progress.epochs for epoch in (before, progress.epoch)]
        if ended(progress) or before == 0 or tenths[0] < tenths[1]:
            losses = "".join(f", {split} loss {value}" for split, value in losses_of(progress).items())
            line = f"{progress.name}: epoch {progress.epoch}/{progress.epochs}{losses}{self._time(progress, now)}"
            self._console.print(Text(line), soft_wrap=True)
        self._last, self._seen = progress, now

    def _time(self, progress: Progress, now: float) -> str:
        """How long it took or how long it will take, by the epochs after the first, which compiles."""
        if ended(progress):
            return f", done in {now - self._began:.0f} s"
        if progress.epoch == 1:
            return ""
        rest = (now - self._first) / (progress.epoch - 1) * (progress.epochs - progress.epoch)
        return f", about {rest:.0f} s left"


class _Bars:
    """A live bar for each autoencoder, drawn by rich."""

    def __init__(self, console: Console):
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(bar_width=None if console.width < _WIDE else 30),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[losses]}", markup=False),
            bars.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
            auto_refresh=not console.is_jupyter,
            expand=console.width < _WIDE,
        )
        self._task: bars.TaskID | None = None
        self._last: Progress | None = None
        self._seen = self._bars.get_time()

    def start(self) -> None:
        self._seen = self._bars.get_time()
        self._bars.start()

    def stop(self) -> None:
        self._bars.stop()

    def show(self, progress: Progress) -> None:
        if self._task is None or begins_anew(self._last, progress):
            self._task = self._bars.add_task(progress.name, total=progress.epochs, losses="")
            self._bars.tasks[-1].start_time = self._seen
        values = losses_of(progress)
        if self._bars.console.width < _NARROW:
            losses = " / ".join(values.values())
        else:
            losses = "  ".join(f"{split} {loss}" for split, loss in values.items())
        total = progress.epoch if ended(progress) else progress.epochs
        self._bars.update(self._task, completed=progress.epoch, total=total, losses=losses)
        self._last, self._seen = progress, self._bars.get_time()


class _NotebookBars(_Bars):
    """Rich's bars in a display of the notebook that is updated in place: it needs no widgets and is saved as seen."""

    def __init__(self, console: Console):
        super().__init__(console)
        self._handle: Any = None
        self._drawn = -_NOTEBOOK_SECONDS

    def _table(self) -> Table:
        return self._bars.make_tasks_table(self._bars.tasks)

    def start(self) -> None:
        from IPython.display import display

        self._handle = display(self._table(), display_id=True)

    def stop(self) -> None:
        self._handle.update(self._table())

    def show(self, progress: Progress) -> None:
        super().show(progress)
        now = time.monotonic()
        if self._handle is not None and (ended(progress) or now - self._drawn >= _NOTEBOOK_SECONDS):
            self._drawn = now
            self._handle.update(self._table())


def begins_anew(last: Progress | None, progress: Progress) -> bool:
    """Whether this is of another training than the last one.

    Example:
      >>> begins_anew(Progress("a", 2, 9, {}, 1), Progress("a", 3, 9, {}, 1))
      False
    """
    return last is None or last.name != progress.name or progress.epoch <= last.epoch


def ended(progress: Progress) -> bool:
    """Whether no epoch will follow: all were done, or no member trains on."""
    return progress.epoch >= progress.epochs or progress.running == 0


def losses_of(progress: Progress) -> dict[str, str]:
    """The loss of each split, as text.

    Example:
      >>> losses_of(Progress("a", 1, 2, {"train": {"loss": 1.23456, "kl": 0.1}, "validation": {"loss": 2.0}}, 1))
      {'train': '1.235', 'validation': '2'}
    """
    return {split: f"{terms['loss']:.4g}" for split, terms in progress.metrics.items() if "loss" in terms}
