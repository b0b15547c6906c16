"""Data sets prepared by TensorFlow Datasets, read without TensorFlow."""

import ast
import io
import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.data import RawData
from ae_jax.data.prepared import prepared_records

SHAPE = (4, 4)


def prepared_contents(name: str | Path, data_dir: Path | None = None) -> dict[str, RawData]:
    return {split: records.all() for split, records in prepared_records(name, data_dir=data_dir).items()}


def write(folder: Path, name: str, features: dict[str, Any], values: dict[str, Any], **kwargs: Any) -> Path:
    """Prepares a data set of one split, train, in which every feature has these values, and says where it is."""
    import tensorflow_datasets as tfds

    info = {"supervised_keys": kwargs.pop("supervised_keys", None)}
    options = {"file_format": "array_record"} | kwargs
    title = name

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = title
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            described = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=described, disable_shuffling=True, **info)

        def _split_generators(self, _manager: object) -> dict:
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for position in range(len(next(iter(values.values())))):
                yield position, {key: value[position] for key, value in values.items()}

    builder = Builder(data_dir=folder, **options)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=kwargs.pop("shards", None)))
    return Path(builder.data_dir)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty training and eight test images of 4 x 4 bytes, each filled with its position."""
    import tensorflow_datasets as tfds

    class Tiny(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> tfds.core.DatasetInfo:
            features = {
                "image": tfds.features.Tensor(shape=(4, 4), dtype=np.uint8),
                "label": tfds.features.Scalar(np.int64),
            }
            features = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("image", "label"))

        def _split_generators(self, _manager: object) -> dict:
            return {"train": self._generate_examples(20), "test": self._generate_examples(8)}

        def _generate_examples(self, count: int):
            for position in range(count):
                yield position, {"image": np.full((4, 4), position, np.uint8), "label": position % 2}

    made = tmp_path_factory.mktemp("tfds")
    config = tfds.download.DownloadConfig(num_shards=2)
    Tiny(data_dir=made, file_format="array_record").download_and_prepare(download_config=config)
    return made


def test_splits_examples_and_labels_are_those_prepared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    dataset = ae_jax.data.load("tfds:tiny")
    assert "tensorflow" not in sys.modules
    assert (len(dataset.train.x), len(dataset.validation.x), len(dataset.test.x)) == (18, 2, 8)
    assert sorted(np.concatenate([dataset.train.x, dataset.validation.x])[:, 0, 0].tolist()) == list(range(20))
    np.testing.assert_array_equal(dataset.test.labels, dataset.test.x[:, 0, 0] % 2)
    assert dataset.train.x.dtype == np.uint8
    assert dataset.scaling.scale == 255.0


@pytest.mark.parametrize("name", ["tiny", "tfds:tiny"])
def test_records_are_read_in_pieces_of_their_shards(folder: Path, name: str) -> None:
    records = prepared_records(name, data_dir=folder)["train"]
    assert (sum(records.lengths), records.shape, records.dtype) == (20, (4, 4), np.uint8)
    assert len(records.lengths) == 2
    whole = records.all()
    length = records.lengths[0]
    x, labels = records.read(1, 2, 5)
    np.testing.assert_array_equal(x, whole.x[length + 2 : length + 5])
    np.testing.assert_array_equal(labels, whole.labels[length + 2 : length + 5])
    assert records.read(0, 3, 3)[0].shape == (0, 4, 4)


def test_records_are_read_by_several_threads(folder: Path) -> None:
    records = prepared_records("tiny", data_dir=folder)["train"]
    whole = records.all().x
    starts = [(shard, start) for shard, length in enumerate(records.lengths) for start in range(length)] * 50
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda place: records.read(*place, place[1] + 1)[0][0], starts))
    offsets = np.cumsum([0, *records.lengths])
    np.testing.assert_array_equal(np.stack(read), whole[[offsets[shard] + start for shard, start in starts]])


def test_positions_that_a_shard_does_not_have(folder: Path) -> None:
    records = prepared_records("tiny", data_dir=folder)["train"]
    sentence = (
        r"tiny, split train was asked for examples 5 to 99 of shard 0: expected positions from 0 to "
        rf"{records.lengths[0]}\."
    )
    with pytest.raises(InvalidInput, match=sentence):
        records.read(0, 5, 99)


def tensor(dtype: Any, encoding: str = "none", shape: tuple = SHAPE) -> Callable[[], Any]:
    def make() -> Any:
        import tensorflow_datasets as tfds

        return tfds.features.Tensor(shape=shape, dtype=dtype, encoding=encoding)

    return make


def image(shape: tuple, dtype: Any = np.uint8) -> Callable[[], Any]:
    def make() -> Any:
        import tensorflow_datasets as tfds

        return tfds.features.Image(shape=shape, dtype=dtype, encoding_format="png")

    return make


def png(value: np.ndarray) -> io.BytesIO:
    """A picture in a file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(value[..., 0] if value.shape[-1] == 1 else value).save(file, "png")
    file.seek(0)
    return file


KINDS = [np.uint8, np.int8, np.int32, np.int64, np.uint64, np.float32, np.bool_]


@pytest.mark.parametrize("encoding", ["none", "bytes", "zlib"])
@pytest.mark.parametrize("dtype", KINDS, ids=lambda dtype: dtype.__name__)
def test_tensors_of_every_type_and_encoding(tmp_path: Path, dtype: Any, encoding: str) -> None:
    random = np.random.default_rng(0)
    bits = random.integers(0, 256, (5, 4, 4 * np.dtype(dtype).itemsize), np.uint8)
    values = random.random((5, 4, 4)) > 0.5 if dtype is np.bool_ else bits.view(dtype)
    if dtype is np.float32:
        values = random.normal(size=(5, 4, 4)).astype(dtype)
    made = write(tmp_path, "of_a_type", {"x": tensor(dtype, encoding)()}, {"x": values})
    contents = prepared_contents(made)["train"]
    assert contents.x.dtype == dtype
    np.testing.assert_array_equal(contents.x, values)
    assert contents.labels is None


def test_64_bit_floats_are_as_precise_as_they_are_stored(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(5, 4, 4))
    features = {"x": tensor(np.float64, "bytes")()}
    np.testing.assert_array_equal(
        prepared_contents(write(tmp_path, "wide", features, {"x": values}))["train"].x, values
    )


@pytest.mark.parametrize("shape", [(6, 5, 1), (6, 5, 3), (6, 5, 4)])
def test_images_are_decoded_by_pillow(tmp_path: Path, shape: tuple, capfd: pytest.CaptureFixture[str]) -> None:
    import tensorflow_datasets as tfds

    values = np.random.default_rng(0).integers(0, 256, (5, *shape), np.uint8)
    files = [png(value) for value in values]  # TFDS would encode arrays by TensorFlow
    features = {"image": image(shape)(), "label": tfds.features.ClassLabel(num_classes=5)}
    keys = ("image", "label")
    made = write(tmp_path, "drawn", features, {"image": files, "label": list(range(5))}, supervised_keys=keys)
    capfd.readouterr()
    contents = prepared_contents(made)["train"]
    np.testing.assert_array_equal(contents.x, values)
    assert contents.labels.tolist() == list(range(5))
    assert "tensorflow" not in sys.modules
    assert capfd.readouterr() == ("", "")


def test_a_target_that_is_no_number_is_no_label(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    values = {"x": np.zeros((3, 4, 4), np.uint8), "y": np.zeros((3, 4, 4), np.uint8), "name": ["a", "b", "c"]}
    features = {"x": tensor(np.uint8)(), "y": tensor(np.uint8)(), "name": tfds.features.Text()}
    for target in ("y", "name"):
        made = write(tmp_path / target, "paired", features, values, supervised_keys=("x", target))
        assert prepared_contents(made)["train"].labels is None


def test_without_supervised_keys_the_image_is_taken_or_what_can_be_read(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    ones = np.ones((3, 4, 4), np.uint8)
    features = {"about": tfds.features.Text(), "other": tensor(np.uint8)()}
    values = {"about": ["a", "b", "c"], "other": ones}
    assert (prepared_contents(write(tmp_path, "one", features, values))["train"].x == 1).all()
    features, values = features | {"image": tensor(np.uint8)()}, values | {"image": 2 * ones}
    assert (prepared_contents(write(tmp_path, "two", features, values))["train"].x == 2).all()


@pytest.mark.parametrize(
    ("make", "values", "sentence"),
    [
        (
            lambda kinds: kinds.Text(),
            ["a", "b"],
            r"has the feature x, which is Text of .*: expected numbers of one shape",
        ),
        (
            lambda kinds: kinds.Sequence(np.int64),
            [[1], [1, 2]],
            r"has the feature x, which is Sequence of .*: expected",
        ),
        (
            lambda kinds: kinds.Tensor(shape=(None, 2), dtype=np.uint8),
            [np.zeros((1, 2), np.uint8), np.zeros((3, 2), np.uint8)],
            r"has the feature x of shape \(None, 2\): expected one shape for all examples; choose another data set\.",
        ),
    ],
)
def test_what_is_no_numbers_of_one_shape(tmp_path: Path, make: Callable, values: list, sentence: str) -> None:
    import tensorflow_datasets as tfds

    made = write(tmp_path, "odd", {"x": make(tfds.features)}, {"x": values})
    with pytest.raises(InvalidInput, match=sentence):
        prepared_contents(made)


def test_images_that_pillow_does_not_decode(tmp_path: Path) -> None:
    values = np.zeros((2, 4, 4, 1), np.uint16)
    made = write(tmp_path, "deep", {"x": image((4, 4, 1), np.uint16)()}, {"x": [png(value) for value in values]})
    with pytest.raises(InvalidInput, match=r"holds x values that cannot be decoded \(PIL does not handle .* images"):
        prepared_contents(made)


def test_records_that_are_not_as_described(tmp_path: Path) -> None:
    made = write(tmp_path, "wrong", {"x": tensor(np.uint8, "bytes")()}, {"x": np.zeros((2, 4, 4), np.uint8)})
    description = (made / "features.json").read_text()
    (made / "features.json").write_text(description.replace('"bytes"', '"zlib"'))
    sentence = r"holds x values that cannot be decoded \(.*\): expected uint8 of shape \(4, 4\) in each record; prepare"
    with pytest.raises(InvalidInput, match=sentence):
        prepared_contents(made)


def test_what_is_not_prepared_is_refused_in_a_sentence(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"tfds:nothing_of_that_name cannot be read .* prepared as array_record"):
        prepared_records("nothing_of_that_name", data_dir=folder)
    with pytest.raises(
        InvalidInput, match=r"mnist is not prepared in .*: expected .*; run `ae-jax data prepare mnist`, which"
    ):
        prepared_records("mnist", data_dir=folder)
    with pytest.raises(InvalidInput, match=rf"{re.escape(str(folder / 'none'))} cannot be read .* as array_record"):
        prepared_contents(folder / "none")


def test_a_data_set_without_a_split_named_train(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    made = tmp_path / "tiny" / "1.0.0"
    shutil.copytree(folder / "tiny" / "1.0.0", made)
    info = (made / "dataset_info.json").read_text()
    (made / "dataset_info.json").write_text(info.replace('"name": "train"', '"name": "learn"'))
    with pytest.raises(InvalidInput, match=r"tfds:tiny has no split named train, but .*learn.*: choose another"):
        ae_jax.data.load("tfds:tiny")


@pytest.mark.parametrize("budget", [2**30, 200])
def test_a_prepared_data_set_beyond_the_budget_is_streamed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    dataset = ae_jax.data.load("tfds:tiny", ae_jax.data.ReadOptions(budget=budget))
    assert (dataset.stream is None) == (budget > 20 * 16)
    few = 2 if dataset.stream is None else 1  # a sixteenth of the budget, which is less than one
    assert dataset.spec.examples == {"train": 20 - few, "validation": few, "test": 8}
    assert dataset.train.labels is not None
    assert dataset.scaling.scale == 255.0


def test_another_format_than_array_record(tmp_path: Path) -> None:
    made = write(tmp_path, "other", {"x": tensor(np.uint8)()}, {"x": np.zeros((2, 4, 4), np.uint8)})
    info = (made / "dataset_info.json").read_text()
    (made / "dataset_info.json").write_text(info.replace('"array_record"', '"tfrecord"'))
    with pytest.raises(InvalidInput, match=r"tfds:other cannot be read \(.*\): expected .* prepared as array_record"):
        prepared_contents("tfds:other", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda raw: None, r"there is no file .*: expected a shard of .*, split train; prepare it anew"),
        (lambda raw: raw[: len(raw) // 2], r"holds 0 records: expected 200; prepare .*, split train anew"),
        (lambda raw: b"", r"holds 0 records: expected 200; prepare .*, split train anew"),
        (
            lambda raw: raw[:70_000] + b"\xff" * 500 + raw[70_500:],
            r"cannot be read \(.*\): expected a shard of .*, split train; prepare the data set anew",
        ),
    ],
    ids=["missing", "cut off", "empty", "overwritten"],
)
def test_damaged_shards(tmp_path: Path, damage: Callable, sentence: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (200, 28, 28), np.uint8)
    made = write(tmp_path, "hurt", {"x": tensor(np.uint8, "bytes", (28, 28))()}, {"x": values})
    (shard,) = made.glob("*.array_record*")
    changed = damage(shard.read_bytes())
    shard.unlink() if changed is None else shard.write_bytes(changed)
    with pytest.raises(InvalidInput, match=sentence):
        prepared_contents(made)


def test_a_name_with_a_configuration(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    class Sized(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="small"), tfds.core.BuilderConfig(name="large")]  # noqa: RUF012

        def _info(self) -> Any:
            shape = {"small": (2,), "large": (9,)}[self.builder_config.name]
            features = tfds.features.FeaturesDict({"x": tfds.features.Tensor(shape=shape, dtype=np.uint8)})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, _manager: object) -> dict:
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield 0, {"x": np.zeros(self.info.features["x"].shape, np.uint8)}

    for config in ("small", "large"):
        Sized(config=config, data_dir=tmp_path, file_format="array_record").download_and_prepare()
    for name, width in (("tfds:sized:large", 9), ("tfds:sized/small", 2)):
        assert prepared_contents(name, data_dir=tmp_path)["train"].x.shape == (1, width)


def test_importing_the_data_room_imports_nothing_that_only_builders_need() -> None:
    room = Path(ae_jax.data.__file__).parent
    for path in [room / "prepared.py", room / "records.py", *(room / "builders").glob("*.py")]:
        imports = [node for node in ast.parse(path.read_text()).body if isinstance(node, (ast.Import, ast.ImportFrom))]
        names = " ".join(map(ast.unparse, imports))
        assert not re.search(r"tensorflow|array_record|requests|urllib3|PIL|scipy|fcntl", names), path.name
