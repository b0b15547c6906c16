"""The commands that train: ``compare``, ``train`` and ``sweep``."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jax

from ae_jax.atomic import DISK_FULL, remove_scratch
from ae_jax.cli.hyperparameters import chosen_grid, chosen_values
from ae_jax.cli.hyperparameters import hyperparameters as options_of
from ae_jax.cli.options import Data, Folder, Json, Training, is_leader, option
from ae_jax.cli.printing import print_json, print_paths, print_table
from ae_jax.cli.session import DIVERGED, quiet_libraries, say, use_cache
from ae_jax.data import Dataset, missing_values
from ae_jax.data.sources import is_named
from ae_jax.data.writing import require_writable
from ae_jax.errors import InvalidInput
from ae_jax.locks import locked
from ae_jax.models import named
from ae_jax.training import Callback, Run, TrainingInterrupted, stop_on_signal
from ae_jax.training.distributed import sync_errors
from ae_jax.training.run import require_replaceable

if TYPE_CHECKING:
    from ae_jax.studies import Comparison, StudyResults, Sweep

DIGITS, FIVE_SEEDS, ONE_SEED = Data(), Training(), Training(seeds=1)

_RETRY_SECONDS = 5.0

Names = Annotated[tuple[str, ...], option("NAME [NAME ...]", "six that fit the data")]
Executor = Annotated[
    Literal["slurm", "local", "debug"] | None,
    option("{slurm,local,debug}", "trains in this process"),
]
Chunks = Annotated[int | None, option("INT", "one for each structure")]
Pairs = Annotated[tuple[str, ...], option("KEY=VALUE", "timeout_min=60 cpus_per_task=4")]


def compare(
    data: Data = DIGITS,
    training: Training = FIVE_SEEDS,
    *,
    autoencoders: Names = (),
    out: Folder = None,
    json: Json = False,
) -> int:
    """Trains named autoencoders on one data set and evaluates each alike, with PCA as the baseline.

    Prints means with 95% confidence intervals over seeds, and writes results.json, report.html and runs/NAME.

    Args:
      data: what to train on.
      training: how to train.
      autoencoders: names of those to compare.
      out: folder for everything that is written.
    """
    from ae_jax import studies

    training.join()
    dataset = by_each(data.load)
    folder = out or default_folder("compare", dataset.name)
    names = autoencoders or studies.DEFAULT_AUTOENCODERS
    by_leader(lambda: require_free(folder, [runs_folder(folder, name) for name in names]))
    return conduct(partial(studies.compare, dataset, list(autoencoders) or None), training, folder, json=json)


def _loaded(name: str, data: Data) -> Dataset:
    """Loads data, whose values may be missing for autoencoders that take such data."""
    with missing_values(named(name)().objective.uses_observed):
        return data.load()


def train_command(name: str) -> Callable[..., int]:
    """Makes the command that trains the autoencoder of that name, with its hyper-parameters as options."""
    options = options_of(name)

    def command(
        hyperparameters: options,  # pyright: ignore[reportInvalidTypeForm]
        data: Data = DIGITS,
        training: Training = ONE_SEED,
        *,
        out: Folder = None,
        json: Json = False,
    ) -> int:
        from ae_jax import studies

        training.join()
        dataset = by_each(lambda: _loaded(name, data))
        autoencoder, messages = by_each(lambda: studies.suited(name, dataset, **chosen_values(hyperparameters)))
        folder = out or default_folder("train", name, dataset.name)
        by_leader(lambda: require_free(folder, [folder]))
        study = partial(studies.compare, dataset, [autoencoder], messages=messages)
        return conduct(study, training, folder, json=json, one_run=True)

    command.__doc__ = f"""Trains {name} and saves it.

    Args:
      hyperparameters: of the autoencoder.
      data: what to train on.
      training: how to train.
      out: folder for the run, results.json and report.html.
    """
    return command


def sweep_command(name: str) -> Callable[..., int]:
    """Makes the command that sweeps the autoencoder of that name; each numeric hyper-parameter takes several values."""
    options = options_of(name, grid=True)

    def command(
        hyperparameters: options,  # pyright: ignore[reportInvalidTypeForm]
        data: Data = DIGITS,
        training: Training = FIVE_SEEDS,
        *,
        chunks: Chunks = None,
        submit: Executor = None,
        submit_options: Pairs = (),
        collect: bool = False,
        out: Folder = None,
        json: Json = False,
    ) -> int:
        from ae_jax import studies

        grid = chosen_grid(name, hyperparameters)
        if submit is not None or collect:
            cluster = parse_pairs(submit_options)
            return sweep_on_cluster(name, grid, data, training, chunks, submit, cluster, out=out, json=json)
        if submit_options:
            raise InvalidInput("--submit-options was given without --submit: expected both, or neither.")
        training.join()
        dataset = by_each(lambda: _loaded(name, data))
        folder = out or default_folder("sweep", name, dataset.name)
        where = {"seeds": training.seeds, "chunks": chunks, "mesh": training.mesh}
        populations, _ = by_each(lambda: studies.populations_of(name, dataset, grid, **where))
        by_leader(lambda: require_free(folder, [runs_folder(folder, each) for each in populations]))
        return conduct(partial(studies.sweep, name, dataset, grid, chunks=chunks), training, folder, json=json)

    command.__doc__ = f"""Trains {name} at every point of a grid of hyper-parameters.

    With --submit, the chunks of the sweep are jobs: on a Slurm cluster, in processes of this machine (local) or in this
    one (debug). The same command submits what is unfinished, and with --collect merges the chunks into one study.

    Args:
      hyperparameters: numbers take one or more values; every combination is trained.
      data: what to train on.
      training: how to train.
      chunks: number of parts of the grid, each trained by itself.
      submit: where the chunks are trained, by submitit (pip install 'ae_jax[slurm]').
      submit_options: parameters of submitit's executor, such as slurm_partition=gpu gpus_per_node=1.
      collect: merge the finished chunks; trains nothing.
      out: folder for results.json, report.html and the trained runs.
    """
    return command


def sweep_on_cluster(
    name: str,
    grid: dict[str, Any],
    data: Data,
    training: Training,
    chunks: int | None,
    executor: str | None,
    options: dict[str, Any],
    *,
    out: Folder,
    json: bool,
) -> int:
    """Submits the unfinished chunks of a sweep, or collects the finished ones where no executor is given."""
    from ae_jax.studies import SweepSpec, submit_sweep

    if training.mesh is not None or training.distributed is not None:
        raise InvalidInput("--submit was given with --mesh or --distributed: expected neither, as jobs train alone.")
    if training.track is not None:
        raise InvalidInput("--track was given with --submit: expected one of them, as jobs are not tracked.")
    dataset = data.load()
    folder = (out or default_folder("sweep", name, dataset.name)).absolute()
    how = training.study_options(beside(folder))
    spec = SweepSpec(
        autoencoder=name,
        grid=grid,
        source=data.data if is_named(data.data) else str(Path(data.data).expanduser().absolute()),
        reading=data.read_options(),
        scaling=data.scaling,
        seeds=tuple(how["seeds"]),
        chunks=chunks,
        checkpoints=how["checkpoints"],
        config=training.config(),
    )
    require_free(folder, [runs_folder(folder, each) for each in spec.names(dataset)])
    if executor is not None:
        jobs = submit_sweep(spec, dataset, executor=executor, options=options, prepare=prepare_job)
        for population, job in jobs.items():
            say(f"{population}: job {job}")
        say(
            f"{len(jobs)} of {len(spec.names(dataset))} chunks submitted; --collect merges them once they are finished."
        )
        if executor == "slurm":
            return 0
    if left := spec.unfinished(dataset):
        raise InvalidInput(
            f"{len(left)} of {len(spec.names(dataset))} chunks are unfinished ({', '.join(left[:10])}): wait for their "
            "jobs, or submit them again by --submit."
        )
    with alone_in(beside(folder)):
        return finish(spec.sweep(dataset), folder, json=json)


def parse_pairs(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Returns KEY=VALUE pairs as a dictionary, with whole numbers as such.

    Example:
      >>> parse_pairs(("timeout_min=60", "slurm_partition=gpu"))
      {'timeout_min': 60, 'slurm_partition': 'gpu'}
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise InvalidInput(f"--submit-options was given {pair!r}: expected KEY=VALUE, such as timeout_min=60.")
        found[key] = int(value) if value.isdecimal() else value
    return found


def prepare_job() -> None:
    """Prepares a process of a cluster, as every command prepares this one."""
    quiet_libraries()
    use_cache()


def conduct(
    study: "Callable[..., Comparison | Sweep]", training: Training, folder: Path, *, json: bool, one_run: bool = False
) -> int:
    """Runs a study, writes its results and prints them; returns the exit code.

    Of processes that train together, the first alone writes and prints. The first SIGINT or SIGTERM saves what was
    trained and ends the command; a second one terminates the process immediately.
    With ``one_run``, the folder is that of the study's only run; checkpoints are written beside it.
    """
    from ae_jax.training import ProgressDisplay

    place, tracking = beside(folder), by_leader(lambda: trackers_of(training))
    by_leader(lambda: writable(place))
    how = training.study_options(place)
    with stop_on_signal(again=signal.SIG_DFL), ExitStack() as stack:
        by_leader(lambda: stack.enter_context(alone_in(place)))
        if how["resume"]:
            by_leader(lambda: [remove_scratch(each) for each in (folder, place)])
        try:
            with ProgressDisplay() if is_leader() else nullcontext() as progress:
                outcome = study(callbacks=() if progress is None else [progress, *tracking], **how)
        except TrainingInterrupted as interruption:
            if is_leader():
                keep(interruption.run, folder, one_run=one_run)
            return 128 + interruption.signal
        return finish(outcome, folder, json=json, one_run=one_run) if is_leader() else code_of(outcome)


def trackers_of(training: Training) -> list[Callback]:
    """Returns the tracker that was asked for, if any."""
    if training.track is None:
        return []
    from ae_jax.trackers import tracker

    return [tracker(training.track)]


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


def default_folder(*names: str) -> Path:
    """Returns the folder of a study that is written where no other was asked for.

    Example:
      >>> default_folder("compare", "../digits").as_posix()
      'runs/compare-digits'
    """
    from ae_jax.studies import path_component

    return Path("runs") / "-".join(map(path_component, names))


def runs_folder(folder: Path, name: str) -> Path:
    """Returns the folder of one run of a study."""
    from ae_jax.studies import path_component

    return folder / "runs" / path_component(name)


def beside(folder: Path) -> Path:
    """Returns the folder of checkpoints beside the folder of a study, which may be replaced as a whole.

    Example:
      >>> beside(Path("runs/compare-digits")).as_posix()
      'runs/compare-digits.checkpoints'
    """
    whole = folder if folder.name not in ("", "..") else folder.resolve()
    return Path(f"{whole}.checkpoints")


def require_free(folder: Path, runs: list[Path]) -> None:
    """Raises where a folder cannot be written, or a run would replace something that is no run."""
    writable(folder)
    for place in runs:
        require_replaceable(place)


def writable(folder: Path) -> Path:
    """Returns the folder, or raises where no files can be written there; leaves everything as it was."""
    require_writable(folder / "results.csv")
    return folder


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Excludes other processes from a study; removes folders that were made for the lock alone."""
    lock, made = folder / "lock", [part for part in (folder, *folder.parents) if not part.exists()]
    with locked(lock, f"another process works in {folder}: wait until it is done, or choose another --out."):
        try:
            yield
        finally:
            with suppress(OSError):  # the folder was removed, or another process waits for its turn
                if [entry.name for entry in folder.iterdir()] == [lock.name]:
                    lock.unlink()
                    for part in made:
                        part.rmdir()


def by_each(work: Callable[[], Any]) -> Any:
    """Returns the result of work that each of joined processes does; where one refuses, all end."""
    return sync_errors(jax.process_count() > 1, work)


def by_leader(work: Callable[[], Any]) -> Any:
    """Returns the result of work that the first process alone does, and None in others; where it refuses, all end."""
    return by_each(lambda: work() if is_leader() else None)
