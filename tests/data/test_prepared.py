"""Data sets prepared by TensorFlow Datasets, read without TensorFlow."""

import sys
from pathlib import Path

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data.prepared import prepared


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
    Tiny(data_dir=made, file_format="array_record").download_and_prepare()
    return made


def test_splits_examples_and_labels_are_those_prepared(folder: Path) -> None:
    dataset = prepared("tiny", folder=folder)
    assert "tensorflow" not in sys.modules
    assert (len(dataset.train.x), len(dataset.validation.x), len(dataset.test.x)) == (18, 2, 8)
    assert sorted(np.concatenate([dataset.train.x, dataset.validation.x])[:, 0, 0].tolist()) == list(range(20))
    np.testing.assert_array_equal(dataset.test.labels, dataset.test.x[:, 0, 0] % 2)
    assert dataset.train.x.dtype == np.uint8
    assert dataset.scaling.scale == 255.0


def test_what_is_not_prepared_is_refused_in_a_sentence(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"tfds:nothing_of_that_name cannot be read .* prepared as array_record"):
        prepared("nothing_of_that_name", folder=folder)
