"""A study from the command line: trained with progress, written, printed."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ae_jax.cli.options import Training
from ae_jax.cli.printing import print_json, print_places, print_table
from ae_jax.cli.session import DIVERGED, INTERRUPTED, say

if TYPE_CHECKING:
    from ae_jax.studies import Comparison, Interval, Sweep
    from ae_jax.training import Run

    Study = Comparison | Sweep
    Summary = dict[str, dict[str, Interval]]


def conduct(
    study: "Callable[..., Study]", training: Training, folder: Path, *, json: bool, one_run: bool = False
) -> int:
    """Runs a study, writes what it gave and prints it.

    Args:
      study: called with the settings of training and ``progress``.
      training: the settings.
      folder: where results.json, report.html and runs/ go.
      json: prints the results as JSON instead of a table.
      one_run: the folder is that of the study's only run.

    Returns:
      The exit code.
    """
    from ae_jax.report import ProgressDisplay, write_report
    from ae_jax.studies import write_results
    from ae_jax.training import TrainingInterrupted

    with ProgressDisplay() as progress:
        try:
            outcome, interrupted = study(progress=progress, **training.settings()), False
        except TrainingInterrupted as interruption:
            outcome, interrupted = interruption.run, True
    runs = {folder if one_run else folder / "runs" / name: run for name, run in trained_runs(outcome).items()}
    if not runs:
        say("interrupted before the first epoch: nothing was saved.")
        return INTERRUPTED
    for place, run in runs.items():
        run.save(place)
    results = outcome.results() | ({"study": "train"} if one_run else {})
    written = [write_results(folder / "results.json", results)]
    if interrupted:
        say(f"interrupted: what was trained so far is in {folder}.")
        return INTERRUPTED
    subject = next(iter(runs.values())) if one_run else outcome
    written += [write_report(subject, folder / "report.html", dataset=outcome.dataset), *runs]
    for message in outcome.messages:
        say(message)
    if json:
        print_json(results)
    else:
        print_table(*summary_of(outcome))
        print_places(written)
    return 0 if all(run.finite.all() for run in runs.values()) else DIVERGED


def trained_runs(outcome: "Study") -> "dict[str, Run]":
    """The runs of a study by name, those with at least one epoch; a run of one member is single."""
    runs = outcome.runs
    if isinstance(runs, list):
        count = len(runs)
        runs = {run.name if count == 1 else f"{run.name}-{place}": run for place, run in enumerate(runs, 1)}
    return {name: run[0] if len(run) == 1 else run for name, run in runs.items() if run.history}


def summary_of(outcome: "Study") -> "tuple[Summary, str]":
    """What the table shows and what its rows are: autoencoders, or the settings of a sweep by what differs."""
    from ae_jax.studies import Comparison, summarise

    if isinstance(outcome, Comparison):
        return summarise(outcome.rows), "autoencoder"
    keys = list(outcome.settings[0])
    swept = [
        key for key in keys if any(setting[key] != outcome.settings[0][key] for setting in outcome.settings)
    ] or keys
    return summarise(outcome.rows, by=swept), swept[0] if len(swept) == 1 else "setting"
