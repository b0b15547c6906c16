"""A study from the command line: trained with progress, written, printed."""

import signal
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ae_jax.cli.checkpointing import Checkpointing, alone_in, beside
from ae_jax.cli.devices import Devices, by_leader, leading
from ae_jax.cli.options import Training
from ae_jax.cli.printing import print_json, print_places, print_table
from ae_jax.cli.saving import writable
from ae_jax.cli.session import DIVERGED, say, stopped_by

if TYPE_CHECKING:
    from ae_jax.studies import Comparison, Interval, Sweep
    from ae_jax.training import Run

    Study = Comparison | Sweep
    Summary = dict[str, dict[str, Interval]]


def conduct(
    study: "Callable[..., Study]",
    training: Training,
    checkpointing: Checkpointing,
    devices: Devices,
    folder: Path,
    *,
    json: bool,
    one_run: bool = False,
) -> int:
    """Runs a study, writes what it gave and prints it.

    Of processes that train together, the first alone writes and prints. The first SIGINT or SIGTERM lets it save what
    it has and end; the second ends the process at once.

    Args:
      study: called with the settings of training and of its checkpoints, and ``callbacks``.
      training: the settings.
      checkpointing: how training is saved, beside the folder.
      devices: on how many.
      folder: where results.json, report.html and runs/ go.
      json: prints the results as JSON instead of a table.
      one_run: the folder is that of the study's only run.

    Returns:
      The exit code.
    """
    from ae_jax.report import ProgressDisplay
    from ae_jax.training import TrainingInterrupted, stop_on_signal

    place = beside(folder, "checkpoints")
    by_leader(lambda: writable(place))
    settings = training.settings() | checkpointing.settings(place) | devices.settings()
    with stop_on_signal(again=signal.SIG_DFL), ExitStack() as stack:
        by_leader(lambda: stack.enter_context(alone_in(place)))
        try:
            with ProgressDisplay() if leading() else nullcontext() as progress:
                outcome = study(callbacks=() if progress is None else [progress], **settings)
        except TrainingInterrupted as interruption:
            if not leading():
                return stopped_by(interruption.signal)
            return keep(interruption.run, folder, number=interruption.signal, one_run=one_run)
        if not leading():
            return code_of(outcome)
        return finish(outcome, folder, json=json, one_run=one_run)


def keep(outcome: "Study", folder: Path, *, number: int, one_run: bool) -> int:
    """Writes what an interrupted study gave so far; the exit code of the signal of that number."""
    from ae_jax.studies import write_results

    runs = save_runs(outcome, folder, one_run=one_run)
    if not runs:
        saved = beside(folder, "checkpoints").joinpath("study.json").exists()
        say(f"interrupted before the first epoch: {'--resume goes on' if saved else 'nothing was saved'}.")
        return stopped_by(number)
    write_results(folder / "results.json", results_of(outcome, one_run=one_run))
    say(f"interrupted: what was trained so far is in {folder}; the same command with --resume goes on.")
    return stopped_by(number)


def finish(outcome: "Study", folder: Path, *, json: bool, one_run: bool = False) -> int:
    """Writes what a study gave and prints it; the exit code."""
    from ae_jax.report import study_summary, write_report
    from ae_jax.studies import write_results

    runs = save_runs(outcome, folder, one_run=one_run)
    results = results_of(outcome, one_run=one_run)
    written = [write_results(folder / "results.json", results)]
    subject = next(iter(runs.values())) if one_run else outcome
    written += [write_report(subject, folder / "report.html", dataset=outcome.dataset), *runs]
    for message in outcome.messages:
        say(message)
    if json:
        print_json(results)
    else:
        print_table(*study_summary(outcome))
        print_places(written)
    return code_of(outcome)


def code_of(outcome: "Study") -> int:
    """The exit code of a study that was done."""
    return 0 if all(run.finite.all() for run in trained_runs(outcome).values()) else DIVERGED


def save_runs(outcome: "Study", folder: Path, *, one_run: bool) -> "dict[Path, Run]":
    """Saves the runs of a study, each in its folder, which it gives."""
    runs = {folder if one_run else folder / "runs" / name: run for name, run in trained_runs(outcome).items()}
    for place, run in runs.items():
        run.save(place)
    return runs


def trained_runs(outcome: "Study") -> "dict[str, Run]":
    """The runs of a study by name, those with at least one epoch; a run of one member is single."""
    from ae_jax.studies import Comparison

    runs = outcome.runs if isinstance(outcome, Comparison) else dict(zip(outcome.names, outcome.runs, strict=True))
    return {name: run[0] if len(run) == 1 else run for name, run in runs.items() if run.history}


def results_of(outcome: "Study", *, one_run: bool) -> dict:
    """What results.json says."""
    return outcome.results() | ({"study": "train"} if one_run else {})
