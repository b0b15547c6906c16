"""How far the preparation of a data set has come: bars on a terminal, lines in a log file."""

from types import TracebackType

from rich import progress as bars
from rich.console import Console
from rich.text import Text

from ae_jax.data.builders import Preparing


class PreparingDisplay:
    r"""Shows downloads and what is written, for ``progress=`` of :func:`ae_jax.data.prepare`.

    Args:
      console: where to; by default the standard error.

    Example:
      >>> from io import StringIO
      >>> with PreparingDisplay(Console(file=StringIO())) as display:
      ...     display(Preparing("mnist: write train", 60000, 60000))
      >>> display.console.file.getvalue()
      'mnist: write train, done\n'
    """

    def __init__(self, console: Console | None = None):
        self.console = Console(stderr=True) if console is None else console
        self._live = self.console.is_terminal and not self.console.is_dumb_terminal
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(bar_width=24),
            bars.TaskProgressColumn(),
            bars.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self.console,
        )
        self._tasks: dict[str, bars.TaskID] = {}

    def __enter__(self) -> "PreparingDisplay":
        if self._live:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._bars.stop()

    def __call__(self, preparing: Preparing) -> None:
        """Takes in what :func:`ae_jax.data.prepare` says."""
        if not self._live:
            if preparing.done == preparing.total:
                self.console.print(Text(f"{preparing.what}, done"), soft_wrap=True)
            return
        if preparing.what not in self._tasks:
            self._tasks[preparing.what] = self._bars.add_task(preparing.what, total=preparing.total)
        self._bars.update(self._tasks[preparing.what], completed=preparing.done, total=preparing.total)
