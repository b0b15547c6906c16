"""The command line, called in process; a little data; what the studies wrote, trained once."""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas
import pytest
from PIL import Image

from ae_jax.cli import main
from ae_jax.data import EMBEDDED, Dataset, load
from ae_jax.training import Run
from ae_jax.training import load as load_run


class Outcome(NamedTuple):
    """What a call of the command line gave, and where it ran."""

    code: int
    out: str
    err: str
    folder: Path

    def ok(self) -> "Outcome":
        """Asserts that the call did what was asked."""
        assert self.code == 0, self.err
        return self

    def json(self) -> dict[str, Any]:
        """What the call printed as JSON."""
        return json.loads(self.ok().out)

    def refused(self, fragment: str) -> None:
        """Asserts one message that contains the fragment, exit code 2, and nothing on standard output."""
        message = " ".join(self.err.replace("│", " ").split())
        assert fragment in message, self.err
        assert (self.code, self.out, "Traceback" in self.err) == (2, "", False)
        lines = [line for line in self.err.splitlines() if not line.startswith("ae-jax: note: ")]
        assert len(lines) == 1 or not self.err.startswith("ae-jax: "), self.err  # else Tyro's box

    def array(self, name: str) -> np.ndarray:
        """An array that the call wrote."""
        return np.load(self.ok().folder / name)

    def table(self, name: str) -> pandas.DataFrame:
        """A table that the call wrote."""
        path = self.ok().folder / name
        if path.suffix == ".parquet":
            return pandas.read_parquet(path)
        if path.suffix == ".npy":
            return pandas.DataFrame(np.load(path))
        return pandas.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",")

    def picture(self, name: str) -> None:
        """Asserts that the call wrote a picture with something on it."""
        with Image.open(self.ok().folder / name) as image:
            assert image.format == "PNG"
            assert 100 < min(image.size) <= max(image.size) < 3000
            assert len(np.unique(np.asarray(image.convert("L")))) > 10


Call = Callable[..., Outcome]


@pytest.fixture(scope="session", autouse=True)
def surroundings():
    """A terminal of 80 columns and no persistent cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AE_JAX_CACHE", "")
        patch.setenv("COLUMNS", "80")
        patch.delenv("AE_JAX_DEBUG", raising=False)
        yield


@pytest.fixture(scope="session")
def call_in() -> Call:
    """Calls ``ae-jax`` with arguments in a folder."""

    def call(folder: Path, *arguments: object) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
        return Outcome(code, out.getvalue(), err.getvalue(), folder)

    return call


@pytest.fixture
def call(call_in: Call, tmp_path: Path) -> Call:
    """Calls ``ae-jax`` with arguments in an empty folder."""

    def call_here(*arguments: object) -> Outcome:
        return call_in(tmp_path, *arguments)

    return call_here


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    """64 digits with labels."""
    path = tmp_path_factory.mktemp("data") / "few.npz"
    np.savez(path, x=digits.train.x[:64], y=digits.train.labels[:64] % 2)
    return path


@pytest.fixture(scope="session")
def budget(file: Path) -> list[object]:
    """The options of the smallest training."""
    return ["--data", file, "--epochs", 2, "--batch-size", 16]


@pytest.fixture(scope="session")
def small_one(budget: list[object]) -> list[object]:
    """One small autoencoder; what differs from it in numbers only is compiled once for all tests."""
    return ["undercomplete", "--code", 2, "--hidden", 4, *budget]


@pytest.fixture(scope="session")
def compared(call_in: Call, tmp_path_factory: pytest.TempPathFactory, budget: list[object]) -> Outcome:
    """A comparison over two seeds."""
    return call_in(
        tmp_path_factory.mktemp("compared"), "compare", "--autoencoders", "variational", "--seeds", 2, *budget
    )


@pytest.fixture(scope="session")
def trained(call_in: Call, tmp_path_factory: pytest.TempPathFactory, small_one: list[object]) -> Outcome:
    """One autoencoder, its results as JSON."""
    return call_in(tmp_path_factory.mktemp("trained"), "train", *small_one, "--json")


@pytest.fixture(scope="session")
def run_folder(trained: Outcome) -> Path:
    """Where that autoencoder is."""
    return trained.folder / "runs" / "train-undercomplete-few"


@pytest.fixture
def embedded(file: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The 64 digits, as if they came with the installation."""
    dataset = load(str(file))
    monkeypatch.setitem(EMBEDDED, "few", lambda **_: dataset)
    return dataset


@pytest.fixture(scope="session")
def swept(call_in: Call, tmp_path_factory: pytest.TempPathFactory, small_one: list[object]) -> Outcome:
    """Two learning rates."""
    grid = ["--learning-rate", 0.001, 0.01, "--seeds", 1]
    return call_in(tmp_path_factory.mktemp("swept"), "sweep", *small_one, *grid)


@pytest.fixture(scope="session")
def variational(compared: Outcome) -> Path:
    """Two members of a variational autoencoder of images."""
    return compared.folder / "runs" / "compare-few" / "runs" / "variational"


@pytest.fixture(scope="module")
def run(run_folder: Path) -> Run:
    """The small autoencoder, loaded."""
    return load_run(run_folder)


@pytest.fixture(scope="session")
def x(file: Path) -> np.ndarray:
    """The 64 digits."""
    with np.load(file) as data:
        return data["x"]


@pytest.fixture(scope="session")
def labels(file: Path) -> np.ndarray:
    """Their labels, 0 and 1."""
    with np.load(file) as data:
        return data["y"]


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C after the first epoch of everything that is trained."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ae_jax.training.progress.ProgressDisplay.on_epoch", interrupt)
