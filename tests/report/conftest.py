"""Small studies for reports, tables and figures, and a parser of reports."""

import base64
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest

import ae_jax
from ae_jax import Run
from ae_jax.data import Dataset, from_arrays
from ae_jax.networks import Convolutional
from ae_jax.objectives import GaussianLikelihood, Reconstruction
from ae_jax.studies import Comparison, Sweep, compare, sweep

HOSTILE = '<script>alert("1")</script>&'
VOID = {"img", "meta", "br"}


class Page(HTMLParser):
    """The tags of a page with their attributes, its texts and pictures, and its unbalanced tags."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def attributes(self, tag: str, name: str) -> list[str]:
        return [attributes[name] or "" for found, attributes in self.tags if found == tag and name in attributes]

    def pictures(self) -> list[bytes]:
        """PNG and SVG files."""
        sources = self.attributes("img", "src")
        return [base64.b64decode(source.partition(";base64,")[2], validate=True) for source in sources]


@pytest.fixture(scope="session")
def read() -> Callable[[str], Page]:
    return Page


@pytest.fixture(scope="session")
def hostile() -> str:
    """A name that is markup unless it is escaped."""
    return HOSTILE


@pytest.fixture(scope="session")
def comparison(small: Dataset) -> Comparison:
    """Two autoencoders, one of a hostile name, over two seeds."""
    autoencoders = [
        ae_jax.Autoencoder(name=HOSTILE, networks=Convolutional(channels=(4,), code=2), objective=Reconstruction()),
        ae_jax.variational(code=3, hidden=(12,), learning_rate=1e-2),
    ]
    return compare(small, autoencoders, seeds=(0, 1), epochs=40, batch_size=16)


@pytest.fixture(scope="session")
def swept(small: Dataset) -> Sweep:
    """Two weights over two seeds."""
    grid = {"weight": [0.01, 1.0], "code": [2], "hidden": [(12,)], "learning_rate": [1e-2]}
    return sweep("contractive", small, grid, seeds=(0, 1), epochs=20, batch_size=16)


@pytest.fixture(scope="session")
def tabular() -> Dataset:
    """Rows of seven features of either sign, without labels."""
    return from_arrays(np.random.default_rng(0).normal(size=(60, 7)), name="tabular")


@pytest.fixture(scope="session")
def tabular_run(tabular: Dataset) -> Run:
    autoencoder = ae_jax.variational(code=1, hidden=(5,), likelihood=GaussianLikelihood())
    return ae_jax.fit(autoencoder, tabular, epochs=2, batch_size=16)


@pytest.fixture(scope="session")
def colour() -> Dataset:
    """Pictures of 6 x 5 pixels and three channels, as bytes."""
    x = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 3), np.uint8)
    return from_arrays(x, np.arange(40) % 3, name="colour")


@pytest.fixture(scope="session")
def colour_run(colour: Dataset) -> Run:
    return ae_jax.fit(ae_jax.convolutional(code=2, channels=(4,)), colour, seeds=(0, 1), epochs=2, batch_size=14)
