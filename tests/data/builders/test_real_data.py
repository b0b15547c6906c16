"""The real files, prepared from a folder and read back."""

import sys
from pathlib import Path

import numpy as np
import pytest

from ae_jax.data import RawData
from ae_jax.data.builders import RECIPES, prepare
from ae_jax.data.builders.preparing import content_digest
from ae_jax.data.prepared import prepared_records


def prepared_contents(name: str | Path, data_dir: Path | None = None) -> dict[str, RawData]:
    return {split: records.all() for split, records in prepared_records(name, data_dir=data_dir).items()}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(scope="module")
def mnist(real_data: Path, data_dir: Path) -> dict[str, RawData]:
    prepare("mnist", source=real_data / "mnist", data_dir=data_dir)
    return prepared_contents("mnist", data_dir=data_dir)


def assert_published(name: str, contents: dict[str, RawData]) -> None:
    """Counts, types and digests are those of what was published."""
    recipe = RECIPES[name]
    assert list(contents) == list(recipe.splits)
    for split, expected in recipe.splits.items():
        part = contents[split]
        assert part.x.shape == (expected.count, *recipe.shape)
        assert content_digest(part.x) == expected.digests["image"]
        assert (part.labels is None) == (not recipe.labels)
        if part.labels is not None:
            assert content_digest(part.labels) == expected.digests["label"]
    assert "tensorflow" not in sys.modules


def test_mnist(mnist: dict[str, RawData]) -> None:
    assert_published("mnist", mnist)


def test_mnist_in_pieces(mnist: dict[str, RawData], data_dir: Path) -> None:
    records = prepared_records("mnist", data_dir=data_dir)["train"]
    assert (records.lengths, records.shape, records.dtype) == ([60_000], (28, 28), np.uint8)
    x, labels = records.read(0, 12_345, 12_400)
    np.testing.assert_array_equal(x, mnist["train"].x[12_345:12_400])
    np.testing.assert_array_equal(labels, mnist["train"].labels[12_345:12_400])


@pytest.mark.parametrize(
    "name",
    [
        "frey_faces",
        "omniglot",
        pytest.param("fashion_mnist", marks=pytest.mark.slow),
        pytest.param("binarized_mnist", marks=pytest.mark.slow),
    ],
)
def test_others(name: str, real_data: Path, data_dir: Path) -> None:
    prepare(name, source=real_data / name, data_dir=data_dir)
    assert_published(name, prepared_contents(name, data_dir=data_dir))


@pytest.mark.slow
def test_the_text_of_binarised_mnist_is_the_published_one(real_data: Path, tmp_path: Path) -> None:
    from ae_jax.data.builders.checksums import recorded

    recipe = RECIPES["binarized_mnist"]
    splits = recipe.forms[1].read([real_data / "binarized_mnist" / "binarized_mnist_packbits.npz"])
    for url, columns in zip(recipe.urls, splits.values(), strict=True):
        text = np.full((len(columns["image"]), 784, 2), ord(" "), np.uint8)
        text[:, :, 0] = columns["image"].reshape(-1, 784) + ord("0")
        text[:, -1, 1] = ord("\n")
        file = tmp_path / recorded()[url].file
        file.write_bytes(text.tobytes())
        assert recorded()[url].fits(file)
    prepare("binarized_mnist", source=tmp_path, data_dir=tmp_path)
    assert_published("binarized_mnist", prepared_contents("binarized_mnist", data_dir=tmp_path))
