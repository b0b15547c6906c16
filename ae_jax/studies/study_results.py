"""Trains and evaluates several populations; partial results survive divergence and interruption."""

import contextlib
import dataclasses
import signal
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np

from ae_jax._reprs import as_html, as_text, listed
from ae_jax.components import to_config
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, TrainingDiverged
from ae_jax.evaluation import METRICS, Row, evaluate, sentences
from ae_jax.models import Autoencoder
from ae_jax.studies.results import Interval, split_ratio, summarise
from ae_jax.studies.study_state import begin_study, finish_study, forget_study, path_component, read_rows, write_rows
from ae_jax.training import Callback, Checkpoints, Run, TrainConfig, TrainingInterrupted, fit
from ae_jax.training.checkpoint import checkpoint_info
from ae_jax.training.compilation import COST, watch_compilation
from ae_jax.training.continuation import Resume
from ae_jax.training.distributed import is_main_process, is_multiprocess, signal_of_any, sync_errors
from ae_jax.training.environment import environment
from ae_jax.training.interruption import Stop, stop_on_signal
from ae_jax.training.plan import plan

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(kw_only=True, repr=False)
class StudyResults:
    """Trained runs of a study and their results.

    Attributes:
      dataset: what the runs were trained and evaluated on.
      runs: by name.
      rows: long-format results, those of baselines first.
      findings: faults of members (:func:`ae_jax.evaluation.diagnose`); messages have their sentences.
      examples: the values of test examples beside each row, or None (:attr:`ae_jax.evaluation.Evaluation.examples`).
      record: settings, versions, device, wall and compile time.
      messages: what a reader of the results must know: autoencoders left out, members that diverged.
      costs: seconds and programs of each training and each evaluation.
    """

    dataset: Dataset
    runs: dict[str, Run] = dataclasses.field(default_factory=dict)
    rows: list[Row] = dataclasses.field(default_factory=list)
    findings: list[Row] = dataclasses.field(default_factory=list)
    examples: list[np.ndarray | None] = dataclasses.field(default_factory=list)
    record: dict[str, Any] = dataclasses.field(default_factory=dict)
    messages: list[str] = dataclasses.field(default_factory=list)
    costs: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    by: ClassVar[Sequence[str]] = ("autoencoder",)
    """Keys of rows that tell apart what the study compares."""

    def __repr__(self) -> str:
        return as_text(*self._shown())

    def _repr_html_(self) -> str:
        """Facts, and the mean of each metric with its 95% confidence interval."""
        import pandas as pd

        means = summarise(self.rows, by=self.by, **self.tested)
        table = pd.DataFrame(means).map(lambda one: one.shown() if isinstance(one, Interval) else "").T
        return as_html(*self._shown()) + table.rename(columns=lambda name: METRICS[name].label).to_html()

    def _shown(self) -> tuple[str, dict[str, str]]:
        seeds = listed(self.record.get("settings", {}).get("seeds", []))
        facts = {"compared": self.compared(), "seeds": seeds, "rows": f"{len(self.rows):,} (to_frame())"}
        facts |= {f"message {place + 1}": message for place, message in enumerate(self.messages)}
        return f"{type(self).__name__} on {self.dataset.name}", facts

    def compared(self) -> str:
        """What the study compares, in words."""
        return listed(list(self.runs))

    def to_frame(self) -> "pd.DataFrame":
        """The rows as a tidy data frame; ``runs[name].to_frame()`` has the epochs of a run."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def add(self, name: str, rows: list[Row], findings: list[Row], examples: Sequence[np.ndarray | None]) -> None:
        """Adds the results of the run of that name."""
        self.rows += rows
        self.findings += findings
        self.messages += sentences(findings)
        self.examples += examples

    @property
    def tested(self) -> dict[str, Any]:
        """What :func:`ae_jax.studies.summarise` and :func:`ae_jax.studies.paired_differences` take beside the rows."""
        own = [split_ratio(run, self.dataset) for run in self.runs.values()]
        return {"examples": self.examples, "resampled": next(iter(own), None)}

    def results(self) -> dict[str, Any]:
        """Returns everything but the parameters, ready for JSON."""
        found = {"messages": self.messages, "findings": self.findings, "rows": self.rows}
        return {"data": self.dataset.describe(), **self.record, **found}


Study = TypeVar("Study", bound=StudyResults)


def redraws(dataset: Dataset, config: TrainConfig | None, settings: Mapping[str, Any]) -> bool:
    """Whether each seed of a study has its own split: as asked, by default where splits were drawn at random."""
    asked = settings.get("resplit", None if config is None else config.resplit)
    return bool(dataset.redrawn) if asked is None else asked


def run_study(
    study: Study,
    populations: Mapping[str, Autoencoder | list[Autoencoder]],
    config: TrainConfig | None = None,
    *,
    seeds: Sequence[int],
    only: Sequence[str] | None = None,
    checkpoints: Checkpoints | str | Path | None = None,
    resume: Resume = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
    **settings: Any,
) -> Study:
    """Trains and evaluates each population, and adds runs, rows and record to a study; checks all before the first.

    Args:
      study: without runs; returned, where several processes train together in each of them.
      populations: by name, each as :func:`ae_jax.fit` takes it.
      only: names of the populations that are trained now; by default all.
      checkpoints: each population has a folder of its name there.
      config, seeds, resume, callbacks, progress, settings: as in :func:`ae_jax.fit`; what was trained or evaluated
        before is not repeated.

    Raises:
      InvalidInput: as in :func:`ae_jax.fit`; the checkpoints are of an unfinished study and ``resume`` is false, or of
        a study of other populations.
      TrainingInterrupted: Ctrl-C or SIGTERM; its ``run`` is the study so far.
    """
    if np.ndim(seeds) == 0:
        raise InvalidInput(f"the study was given seeds={seeds!r}: expected a list of seeds, such as range(5).")
    config = (config or TrainConfig()).with_settings(settings | {"resplit": redraws(study.dataset, config, settings)})
    study.dataset.split("test")
    planned = [plan(population, study.dataset, config, seeds=seeds) for population in populations.values()]
    joined, first = is_multiprocess(planned[0].mesh), is_main_process(planned[0].mesh)
    own = _own_checkpoints(checkpoints, populations)
    folder = next((one.folder.parent for one in own.values()), None)
    if folder is not None:
        configs = {own[name].folder.name: to_config(population) for name, population in populations.items()}
        sync_errors(joined, lambda: begin_study(folder, configs, resume=resume) if first else None)
    interrupted = None
    with stop_on_signal() as stop:
        try:
            for name in populations if only is None else only:
                saved = own.get(name)
                _raise_if_stopped(stop, joined)
                begun = saved is not None and checkpoint_info(saved.folder)  # else there is nothing to extend
                how = {"seeds": seeds, "checkpoints": saved, "resume": resume if begun else bool(resume)}
                _train(study, name, populations[name], config, callbacks=callbacks, progress=progress, **how)
                _raise_if_stopped(stop, joined)
                _evaluate(study, name, saved, keep=first)
        except KeyboardInterrupt as error:
            interrupted = error
    study.record = _record(study, config, seeds)
    records = first and only is None
    if interrupted is not None:
        if folder is not None and records:
            with _warn_if_unwritable("the folder still records an unfinished study"):
                forget_study(folder, [one.folder.name for one in own.values()])
        raise TrainingInterrupted(study, stop.signal or getattr(interrupted, "signal", signal.SIGINT))
    if folder is not None and records:
        with _warn_if_unwritable("resuming the study finds nothing left to do"):
            finish_study(folder)
    return study


def _own_checkpoints(
    checkpoints: Checkpoints | str | Path | None, populations: Mapping[str, Any]
) -> dict[str, Checkpoints]:
    """The checkpoints of each population, in a folder of its name; none where none were asked for."""
    if len({path_component(name) for name in populations}) < len(populations):
        raise InvalidInput(f"the study was given {', '.join(populations)}: expected names that differ as folders.")
    if checkpoints is None:
        return {}
    where = checkpoints if isinstance(checkpoints, Checkpoints) else Checkpoints(folder=Path(checkpoints))
    return {name: dataclasses.replace(where, folder=where.folder / path_component(name)) for name in populations}


def _record(study: StudyResults, config: TrainConfig, seeds: Sequence[int]) -> dict[str, Any]:
    """Settings, what varied, cost and environment of a study."""
    return {
        "settings": config.to_json() | {"seeds": [int(seed) for seed in seeds]},
        "varied": _varied(study.dataset, config),
        **{key: round(sum(cost[key] for cost in study.costs), 3) for key in COST},
        **environment(),
    }


def _varied(dataset: Dataset, config: TrainConfig) -> str:
    split = ("split" if "test" in dataset.redrawn else "validation split") if config.resplit else None
    return ", ".join(filter(None, (split, "initialisation", "batches", "noise")))


def _raise_if_stopped(stop: Stop, joined: bool) -> None:
    """Raises KeyboardInterrupt after a signal, in whichever of joined processes it came."""
    if joined:
        stop.signal = signal_of_any(stop.signal)
    if stop.signal is not None:
        raise KeyboardInterrupt


def _train(study: StudyResults, name: str, population: Any, config: TrainConfig, **how: Any) -> None:
    """Trains one population and adds its run, also where members diverged or a signal came."""
    interrupted = None
    try:
        run = fit(population, study.dataset, config, **how)
    except (TrainingDiverged, TrainingInterrupted) as error:
        run, interrupted = cast(Run, error.run), error
    except Exception as error:
        if isinstance(run := getattr(error, "run", None), Run):  # what a callback raised
            study.runs[name], error.run = run, study  # pyright: ignore[reportAttributeAccessIssue]
        raise
    study.runs[name] = run
    study.costs.append({key: run.record[key] for key in COST})
    if isinstance(interrupted, TrainingInterrupted):
        raise interrupted


def _evaluate(study: StudyResults, name: str, checkpoints: Checkpoints | None, *, keep: bool) -> None:
    """Evaluates the run of that name, unless its results were kept, and adds the rows."""
    run = study.runs[name]
    kept = None if checkpoints is None else read_rows(checkpoints.folder, run, study.dataset)
    if kept is None:
        with watch_compilation() as compilation:
            found = evaluate(run, study.dataset)
        cost = compilation.cost()
        if checkpoints is not None and keep:
            with _warn_if_unwritable("a study that is resumed evaluates this run again"):
                write_rows(checkpoints.folder, run, study.dataset, found, cost)
        kept = found.rows, found.findings, found.examples, cost
    study.add(name, *kept[:3])
    study.costs.append(kept[3])


@contextlib.contextmanager
def _warn_if_unwritable(consequence: str) -> Iterator[None]:
    """Turns a file that cannot be written, as on a full disk, into a warning that names the consequence."""
    try:
        yield
    except (InvalidInput, OSError) as error:
        warnings.warn(f"{str(error).rstrip('.')}; {consequence}.", stacklevel=4)
