"""A sweep as jobs: lines of JSON, each of which says all that a machine must know to train its part."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from ae_jax._checks import positive_whole
from ae_jax.atomic import write_text
from ae_jax.components import from_config, to_config
from ae_jax.data import Dataset, ReadOptions
from ae_jax.data.sources import is_named
from ae_jax.errors import InvalidInput, first_line, unknown
from ae_jax.models import NAMED, named
from ae_jax.studies.study_state import digest_of
from ae_jax.studies.sweep import Setting, name_of_population, settings_of, structures_of
from ae_jax.training import Checkpoints, OnDivergence
from ae_jax.training.plan import plan

T = TypeVar("T")

FORMAT = 1
"""Version of the lines that :func:`write_jobs` writes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FanOut:
    """What all jobs of a sweep have in common.

    Attributes:
      autoencoder: its name.
      structures: how many the grid has.
      seeds: of the whole sweep.
      source, reading, scaling: of the data, as :func:`ae_jax.data.load` takes them.
      digest: of the data, :func:`ae_jax.studies.study_state.digest_of`.
      epochs, batch_size, patience, on_divergence: as in :func:`ae_jax.fit`.
      cadence: every_epochs, every_steps, every_minutes and keep of :class:`ae_jax.training.Checkpoints`.
      out: absolute path of the folder of the whole sweep; the jobs have theirs in the one beside it, of that name and
        ``.jobs``.
    """

    autoencoder: str
    structures: int
    seeds: tuple[int, ...]
    source: str
    reading: ReadOptions
    scaling: str | None
    digest: str
    epochs: int
    batch_size: int
    patience: int | None
    on_divergence: OnDivergence
    cadence: dict[str, Any]
    out: str

    def training(self) -> dict[str, Any]:
        """Those that :func:`ae_jax.fit` takes as they are."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "patience": self.patience,
            "on_divergence": self.on_divergence,
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """A part of a sweep that is trained by itself: some points of one structure over some of the seeds.

    Attributes:
      number, count: which of how many, from 0.
      structure: which one of the grid's, from 0.
      places: of its points in the grid.
      settings: their hyper-parameters.
      seeds: of its members.
      fan_out: what all jobs of the sweep have in common.
    """

    number: int
    count: int
    structure: int
    places: tuple[int, ...]
    settings: tuple[Setting, ...]
    seeds: tuple[int, ...]
    fan_out: FanOut

    @property
    def folder(self) -> Path:
        """Where the job keeps its lock, its checkpoints and what came of it."""
        return Path(f"{self.fan_out.out}.jobs") / f"job-{self.number}"

    @property
    def name(self) -> str:
        """Of the structure, as the folder of its run is called."""
        return name_of_population(self.fan_out.autoencoder, self.structure, self.fan_out.structures)

    @property
    def members(self) -> int:
        """How many are trained."""
        return len(self.places) * len(self.seeds)

    def checkpoints(self) -> Checkpoints:
        """Where and how often the training is saved."""
        return Checkpoints(folder=self.folder / "checkpoints", **self.fan_out.cadence)


def jobs_of(
    name: str,
    dataset: Dataset,
    grid: Mapping[str, Sequence[Any]],
    *,
    source: str,
    reading: ReadOptions = ReadOptions(),
    scaling: str | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    epochs: int = 200,
    batch_size: int = 64,
    patience: int | None = None,
    on_divergence: OnDivergence = "stop",
    checkpoints: Checkpoints | None = None,
    out: str | Path,
    members_per_job: int | None = None,
) -> list[Job]:
    """The jobs of a sweep: one for each structure of the grid, or several where those have too many members.

    Args:
      name: of the autoencoder, one of :data:`ae_jax.NAMED`.
      dataset: the data, as ``source``, ``reading`` and ``scaling`` make :func:`ae_jax.data.load` read them.
      grid: hyper-parameter -> values.
      source, reading, scaling: how a job finds the data.
      seeds, epochs, batch_size, patience, on_divergence: as in :func:`ae_jax.studies.sweep`.
      checkpoints: how often each job saves its training, and how many checkpoints it keeps; the folder is the job's.
      out: the folder of the whole sweep.
      members_per_job: members that a job has at most; by default all of a structure, which are one program then. What
        the memory of the machines that train them holds is not known here.

    Raises:
      InvalidInput: as in :func:`ae_jax.studies.sweep`.

    Example:
      >>> from ae_jax.data import digits
      >>> jobs = jobs_of("sparse", digits(), {"code": [8, 16]}, source="digits", seeds=range(3), out="runs/sparse")
      >>> [(job.settings, job.seeds) for job in jobs]
      [(({'code': 8},), (0, 1, 2)), (({'code': 16},), (0, 1, 2))]
    """
    structures, _ = structures_of(name, dataset, settings_of(name, grid))
    training = {"epochs": epochs, "batch_size": batch_size, "patience": patience, "on_divergence": on_divergence}
    dataset.split("test")
    for points in structures:
        plan([point.autoencoder for point in points], dataset, seeds=seeds, **training)
    if members_per_job is not None:
        members_per_job = positive_whole("the fan-out", "members_per_job", members_per_job)
    cadence = dataclasses.asdict(Checkpoints(folder=Path()) if checkpoints is None else checkpoints)
    fan_out = FanOut(
        autoencoder=name,
        structures=len(structures),
        seeds=tuple(int(seed) for seed in seeds),
        source=source if is_named(source) else str(Path(source).expanduser().absolute()),
        reading=reading,
        scaling=scaling,
        digest=digest_of(dataset),
        cadence={key: value for key, value in cadence.items() if key != "folder"},
        out=os.path.abspath(out),  # noqa: PTH100 - links stay, which other machines may see elsewhere
        **training,
    )
    parts = [
        (place, *part)
        for place, points in enumerate(structures)
        for part in parts_of(points, fan_out.seeds, members_per_job)
    ]
    return [
        Job(
            number=number,
            count=len(parts),
            structure=place,
            places=tuple(point.place for point in points),
            settings=tuple(point.setting for point in points),
            seeds=tuple(some),
            fan_out=fan_out,
        )
        for number, (place, points, some) in enumerate(parts)
    ]


def parts_of(points: Sequence[T], seeds: Sequence[int], members: int | None) -> list[tuple[Sequence[T], Sequence[int]]]:
    """All members in parts of at most so many: several points over all seeds, or one point over some of them.

    Example:
      >>> parts_of("abc", (0, 1, 2), None)
      [('abc', (0, 1, 2))]
      >>> parts_of("abc", (0, 1, 2), 6)
      [('ab', (0, 1, 2)), ('c', (0, 1, 2))]
      >>> parts_of("ab", (0, 1, 2), 2)
      [('a', (0, 1)), ('a', (2,)), ('b', (0, 1)), ('b', (2,))]
    """
    if members is None:
        return [(points, seeds)]
    width, some = max(1, members // len(seeds)), min(members, len(seeds))
    return [
        (points[first : first + width], seeds[start : start + some])
        for first in range(0, len(points), width)
        for start in range(0, len(seeds), some)
    ]


def write_jobs(path: Path, jobs: Sequence[Job]) -> Path:
    """Writes jobs, a line for each, whole or not at all.

    Raises:
      InvalidInput: the file holds something else already, or cannot be written.
    """
    text = "".join(f"{json.dumps(as_config(job), allow_nan=False)}\n" for job in jobs)
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else text
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read ({first_line(error)}): expected the name of a new file.") from error
    if before != text:
        raise InvalidInput(f"{path} exists and holds something else: expected the name of a new file; or remove it.")
    return write_text(path, text)


def as_config(job: Job) -> dict[str, Any]:
    """A job, ready for JSON."""
    own = {name: to_config(value) for name, value in vars(job).items() if name != "fan_out"}
    return {"format": FORMAT, "study": "sweep"} | own | {"fan_out": to_config(vars(job.fan_out))}


def read_jobs(path: Path) -> list[Job]:
    """The jobs that :func:`write_jobs` wrote; nothing of what they say is executed.

    Raises:
      InvalidInput: no such file, or the first line that is no job, or not one of the same sweep as those before it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"{path} cannot be read ({first_line(error)}): expected a file of jobs, as ae-jax sweep --emit-jobs "
            "writes it."
        ) from error
    jobs: list[Job] = []
    for number, line in enumerate(lines):
        try:
            jobs.append(_job(json.loads(line, parse_constant=_refuse, object_pairs_hook=_once)))
            _require_sequence(jobs, len(lines))
        except Exception as error:  # whoever damaged the line chose what goes wrong
            raise InvalidInput(
                f"line {number + 1} of {path} is no job ({first_line(error)}): expected what ae-jax sweep --emit-jobs "
                "wrote; write the file anew."
            ) from error
    if not jobs:
        raise InvalidInput(f"{path} has no lines: expected a job on each, as ae-jax sweep --emit-jobs writes them.")
    return jobs


def _job(config: Any) -> Job:
    _require(isinstance(config, dict), "it", config, "an object")
    if config.get("format") != FORMAT:
        raise ValueError(f"it has format {config.get('format')!r:.20}, and this version reads format {FORMAT}")
    _require(config.get("study") == "sweep", "study", config.get("study"), "sweep")
    own = _fields(Job, {key: value for key, value in config.items() if key not in ("format", "study")})
    fan_out = _fan_out(own.pop("fan_out"))
    settings = tuple(_setting(fan_out.autoencoder, setting) for setting in _list(own, "settings"))
    places, seeds = _whole(_list(own, "places"), "places"), _whole(_list(own, "seeds"), "seeds")
    _require(len(places) == len(settings) > 0, "places", list(places), "a place of each setting")
    _require(set(seeds) <= set(fan_out.seeds) and seeds, "seeds", list(seeds), "some of the sweep's")
    number, count, structure = _whole([own["number"], own["count"], own["structure"]], "number, count or structure")
    _require(number < count, "number", number, f"below {count}")
    _require(structure < fan_out.structures, "structure", structure, f"below {fan_out.structures}")
    return Job(
        number=number,
        count=count,
        structure=structure,
        places=places,
        settings=settings,
        seeds=seeds,
        fan_out=fan_out,
    )


def _fan_out(config: Any) -> FanOut:
    _require(isinstance(config, dict), "fan_out", config, "an object")
    fields = _fields(FanOut, config)
    if fields["autoencoder"] not in NAMED:
        raise unknown("autoencoder", str(fields["autoencoder"])[:50], NAMED)
    for name in ("source", "digest", "out"):
        _require(isinstance(fields[name], str) and fields[name], name, fields[name], "a text")
    for name in ("epochs", "batch_size", "structures", *(["patience"] if fields["patience"] is not None else [])):
        _require(
            type(fields[name]) is int and 0 < fields[name] < 2**31, name, fields[name], "a whole number above zero"
        )
    _require(fields["scaling"] is None or isinstance(fields["scaling"], str), "scaling", fields["scaling"], "a name")
    policies = get_args(OnDivergence)
    _require(fields["on_divergence"] in policies, "on_divergence", fields["on_divergence"], " or ".join(policies))
    Checkpoints(folder=Path(), **fields["cadence"])
    seeds = _whole(_list(fields, "seeds"), "seeds")
    _require(seeds and len(set(seeds)) == len(seeds), "seeds", list(seeds), "each once")
    return FanOut(**fields | {"seeds": seeds, "reading": _reading(fields["reading"])})


def _reading(config: Any) -> ReadOptions:
    reading = from_config(config)
    _require(isinstance(reading, ReadOptions), "reading", config, "a ReadOptions")
    _require(isinstance(reading.label, (str, type(None))), "label", reading.label, "a name")
    texts = all(isinstance(name, str) for name in reading.columns or ())
    _require(texts, "columns", reading.columns, "names")
    _whole(reading.image_size or (), "image_size")
    return reading


def _setting(name: str, config: Any) -> Setting:
    _require(isinstance(config, dict), "a setting", config, "an object")
    setting = {key: from_config(value) for key, value in config.items()}
    named(name)(**setting)
    return setting


def _fields(kind: type, config: dict[str, Any]) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(kind)]
    for name in config:
        if name not in names:
            raise unknown("key", name[:50], names)
    for name in names:
        if name not in config:
            raise ValueError(f"it has no {name}")
    return dict(config)


def _list(config: dict[str, Any], name: str) -> list[Any]:
    _require(isinstance(config[name], list), name, config[name], "a list")
    return config[name]


def _whole(values: Sequence[Any], name: str) -> tuple[int, ...]:
    for value in values:
        _require(type(value) is int and 0 <= value < 2**32, name, value, "whole numbers from 0 to 2**32 - 1")
    return tuple(values)


def _require_sequence(jobs: list[Job], count: int) -> None:
    """Raises where the latest job is not the next one of the same sweep."""
    latest = jobs[-1]
    if latest.fan_out != jobs[0].fan_out:
        raise ValueError("it is of another sweep than the first line")
    if (latest.number, latest.count) != (len(jobs) - 1, count):
        raise ValueError(f"it is job {latest.number} of {latest.count}, and stands as job {len(jobs) - 1} of {count}")


def _require(fits: Any, what: str, found: Any, expected: str) -> None:
    if not fits:
        raise ValueError(f"{what} is {found!r:.80}: expected {expected}")


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a key twice")
    return found
