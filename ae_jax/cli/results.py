"""Writes and prints the results of a study."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ae_jax.atomic import DISK_FULL
from ae_jax.cli.folders import beside, runs_folder
from ae_jax.cli.printing import print_json, print_paths, print_table
from ae_jax.cli.session import DIVERGED, say
from ae_jax.errors import InvalidInput
from ae_jax.training import Run, stop_on_signal

if TYPE_CHECKING:
    from ae_jax.studies import Comparison, StudyResults, Sweep

_RETRY_SECONDS = 5.0


def keep(outcome: "StudyResults", folder: Path, *, one_run: bool) -> None:
    """Writes the results of an interrupted study so far."""
    from ae_jax.studies import write_results

    if save_runs(outcome, folder, one_run=one_run):
        write_results(folder / "results.json", outcome.results() | ({"study": "train"} if one_run else {}))
        say(f"interrupted: what was trained so far is in {folder}; the same command with --resume continues.")
    else:
        saved = (beside(folder) / "study.json").exists()
        say(f"interrupted before the first epoch: {'--resume continues' if saved else 'nothing was saved'}.")


def finish(outcome: "Comparison | Sweep", folder: Path, *, json: bool, one_run: bool = False) -> int:
    """Writes the results of a study and prints them; returns the exit code."""
    from ae_jax.report import study_summary, write_report
    from ae_jax.studies import write_results

    runs = save_runs(outcome, folder, one_run=one_run)
    results = outcome.results() | ({"study": "train"} if one_run else {})
    written = [write_results(folder / "results.json", results)]
    subject = next(iter(runs.values())) if one_run else outcome
    written += [write_report(subject, folder / "report.html", dataset=outcome.dataset), *runs]
    for message in outcome.messages:
        say(message)
    if json:
        print_json(results)
    else:
        print_table(*study_summary(outcome))
        print_paths(written)
    return code_of(outcome)


def code_of(outcome: "StudyResults") -> int:
    """Returns the exit code of a finished study."""
    return 0 if all(run.finite.all() for run in outcome.runs.values()) else DIVERGED


def save_runs(outcome: "StudyResults", folder: Path, *, one_run: bool) -> dict[Path, Run]:
    """Saves the runs that have at least one epoch; returns folder -> run, where a run of one member is single."""
    trained = {name: run[0] if len(run) == 1 else run for name, run in outcome.runs.items() if run.history}
    runs = {folder if one_run else runs_folder(folder, name): run for name, run in trained.items()}
    for place, run in runs.items():
        save_patiently(run, place)
    return runs


def save_patiently(run: Run, folder: Path) -> None:
    """Saves a run; on a full disk tries again until there is space, or until a signal comes."""
    told = False
    with stop_on_signal() as stop:
        asked = stop.signal
        while True:
            try:
                run.save(folder)
                return
            except InvalidInput as error:
                full = isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK_FULL
                if not full or stop.signal != asked:
                    raise
                if not told:
                    say(f"note: {error} The run stays in this process, which tries again; a signal ends that.")
                told = True
            time.sleep(_RETRY_SECONDS)
