"""Data sets prepared by TensorFlow Datasets, read without TensorFlow."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ae_jax import InvalidInput
from ae_jax.data import ReadOptions, load
from ae_jax.data.prepared import prepared_rows

tfds = pytest.importorskip("tensorflow_datasets")

IMAGES = np.arange(20 * 16, dtype=np.uint16).reshape(20, 4, 4).astype(np.uint8)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    return tmp_path


def write(
    folder: Path, features: dict[str, Any], keys: Any = None, format: str = "array_record", **values: Any
) -> Path:
    """Prepares the data set ``mine`` with a train split of these values and a test split of the first two."""

    class Mine(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            kinds = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=kinds, supervised_keys=keys, disable_shuffling=True)

        def _split_generators(self, _manager: object) -> dict:
            return {"train": self._generate_examples(None), "test": self._generate_examples(2)}

        def _generate_examples(self, count: int | None):
            for position, row in enumerate(list(zip(*values.values(), strict=True))[:count]):
                yield position, dict(zip(values, row, strict=True))

    builder = Mine(data_dir=folder, file_format=format)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=2))
    return Path(builder.data_dir)


def tensor(dtype: Any = np.uint8, encoding: str = "none", shape: tuple = (4, 4)) -> Any:
    return tfds.features.Tensor(shape=shape, dtype=dtype, encoding=encoding)


def labelled(folder: Path) -> Path:
    features = {"image": tensor(), "label": tfds.features.ClassLabel(num_classes=2)}
    return write(folder, features, ("image", "label"), image=IMAGES, label=[position % 2 for position in range(20)])


def test_splits_examples_and_labels_are_those_prepared(folder: Path) -> None:
    labelled(folder)
    data = load("tfds:mine")
    assert "tensorflow" not in sys.modules
    assert (data.name, data.shape, data.scaling.scale) == ("mine", (4, 4), 255.0)
    assert (len(data.train.x), len(data.validation.x)) == (18, 2)
    np.testing.assert_array_equal(data.test.x, IMAGES[:2])
    assert data.test.labels.tolist() == [0, 1]
    assert data.classes == (0, 1)


def test_a_data_set_beyond_the_budget_is_streamed(folder: Path) -> None:
    labelled(folder)
    data = load("tfds:mine", ReadOptions(budget=200))
    assert data.stream is not None
    assert data.spec.examples == {"train": 19, "validation": 1, "test": 2}
    assert data.train.labels is not None


@pytest.mark.parametrize(("encoding", "dtype"), [("none", np.uint8), ("bytes", np.float32), ("zlib", np.bool_)])
def test_tensors_keep_their_type(folder: Path, dtype: Any, encoding: str) -> None:
    values = (np.random.default_rng(0).normal(size=(5, 4, 4)) * 100).astype(dtype)
    write(folder, {"x": tensor(dtype, encoding)}, x=values)
    x, labels = prepared_rows("tfds:mine")["train"].read(0, 0, 5)
    assert (x.dtype, labels) == (dtype, None)
    np.testing.assert_array_equal(x, values)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_decoded_without_tensorflow(folder: Path, channels: int) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 6, 5, channels), np.uint8)
    for place, value in enumerate(values):  # TFDS would encode arrays by TensorFlow
        Image.fromarray(value.squeeze()).save(folder / f"{place}.png")
    image = tfds.features.Image(shape=values.shape[1:], encoding_format="png")
    features = {"about": tfds.features.Text(), "image": image}
    write(folder, features, about=["text"] * 5, image=[str(folder / f"{place}.png") for place in range(5)])
    np.testing.assert_array_equal(prepared_rows("tfds:mine")["train"].read(0, 0, 5)[0], values)
    assert "tensorflow" not in sys.modules


@pytest.mark.parametrize(
    ("feature", "values", "sentence"),
    [
        (lambda: tfds.features.Text(), ["a", "b", "c"], "has the feature x of type .*: expected numbers"),
        (lambda: tensor(shape=(None, 2)), [np.zeros((n, 2), np.uint8) for n in (1, 1, 3)], "examples of the shapes"),
    ],
    ids=["text", "shapes"],
)
def test_examples_that_are_not_numbers_of_one_shape(
    folder: Path, feature: Callable, values: Any, sentence: str
) -> None:
    write(folder, {"x": feature()}, x=values)
    with pytest.raises(InvalidInput, match=sentence):
        load("tfds:mine")


def test_a_name_that_is_not_prepared_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"tfds:nothing_of_that_name cannot be read .* prepared as array_record"):
        load("tfds:nothing_of_that_name")


@pytest.mark.parametrize("damage", [None, b"\xff" * 5000], ids=["missing", "overwritten"])
def test_damaged_shards_are_refused(folder: Path, damage: bytes | None) -> None:
    made = labelled(folder)
    for shard in made.glob("*.array_record*"):
        shard.unlink() if damage is None else shard.write_bytes(damage)
    with pytest.raises(InvalidInput, match=r"cannot be read .* prepare it again"):
        load("tfds:mine")


def test_another_split_or_format_is_refused(folder: Path) -> None:
    info = labelled(folder) / "dataset_info.json"
    info.write_text(info.read_text().replace('"name": "train"', '"name": "learn"'))
    with pytest.raises(InvalidInput, match="tfds:mine has no split named train, but"):
        load("tfds:mine")
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))
    with pytest.raises(InvalidInput, match=r"tfds:mine cannot be read .* prepared as array_record"):
        load("tfds:mine")


@pytest.mark.parametrize("legacy", [False, True])
def test_features_of_classes_outside_tfds_are_refused_and_never_imported(
    folder: Path, monkeypatch: pytest.MonkeyPatch, legacy: bool
) -> None:
    (folder / "hostile.py").write_text("raise SystemExit('this code was run')")
    monkeypatch.syspath_prepend(folder)
    path = labelled(folder) / "features.json"
    features = {"type": "hostile.Feature", "content": {}} if legacy else {"pythonClassName": "hostile.Feature"}
    path.write_text(
        json.dumps({"pythonClassName": "tensorflow_datasets.x.y", "featuresDict": {"features": [features]}})
    )
    with pytest.raises(InvalidInput, match=r"names the class 'hostile.Feature': expected classes of TFDS alone"):
        load("tfds:mine")
