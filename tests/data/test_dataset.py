import json

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data import Scaling, from_arrays

X = np.arange(60, dtype=np.float32).reshape(30, 2)
LABELS = np.repeat([0, 1, 2], 10)


def rows(split) -> list[int]:
    return (split.x[:, 0] // 2).astype(int).tolist()


def test_splits_hold_every_example_once():
    data = from_arrays(X, validation=0.2, test=0.3)
    splits = [rows(split) for split in (data.train, data.validation, data.test)]
    assert [len(split) for split in splits] == [15, 6, 9]
    assert sorted(row for split in splits for row in split) == list(range(30))


def test_labels_stay_with_their_examples_and_every_class_in_its_share():
    data = from_arrays(X, LABELS, validation=0.2, test=0.3)
    for split, each in ((data.train, 5), (data.validation, 2), (data.test, 3)):
        np.testing.assert_array_equal(split.labels, LABELS[rows(split)])
        assert np.bincount(split.labels).tolist() == [each] * 3


def test_labels_too_rare_to_stratify_are_split_at_random():
    data = from_arrays(X, np.arange(30), validation=0.2, test=0.3)
    assert len(data.test.labels) == 9


def test_the_seed_decides_the_split():
    first, again, other = (from_arrays(X, seed=seed) for seed in (0, 0, 1))
    assert rows(first.test) == rows(again.test) != rows(other.test)


def test_nothing_need_be_held_out():
    data = from_arrays(X, validation=0.0, test=0.0)
    assert rows(data.train) == list(range(30))
    assert len(data.validation.x) == len(data.test.x) == 0


def test_a_split_is_asked_for_by_name():
    data = from_arrays(X, name="mine", validation=0.0)
    assert data.split("test") is data.test
    with pytest.raises(InvalidInput, match="unknown split 'tests': did you mean 'test'"):
        data.split("tests")
    with pytest.raises(InvalidInput, match="the data set mine has no validation examples: expected some"):
        data.split("validation")


def test_its_description_is_json():
    data = from_arrays(np.full((10, 4, 3), 7, np.uint8), name="mine")
    assert json.loads(json.dumps(data.describe())) == {
        "name": "mine",
        "shape": [4, 3],
        "dtype": "uint8",
        "examples": {"train": 7, "validation": 1, "test": 2},
        "scaling": {"type": "Scaling", "offset": 0.0, "scale": 255.0},
    }


def test_a_given_scaling_wins():
    assert from_arrays(X, scaling=Scaling(scale=60.0)).scaling == Scaling(scale=60.0)


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"labels": LABELS[:5]}, r"labels have shape \(5,\) for 30 examples: expected one label for each example"),
        ({"labels": X}, r"labels have shape \(30, 2\) for 30 examples"),
        ({"test": 1.0}, "given validation=0.1 and test=1.0: expected fractions that sum below 1"),
        ({"validation": -0.1}, "given validation=-0.1 and test=0.2: expected fractions"),
        ({"validation": 0.5, "test": 0.5}, "given validation=0.5 and test=0.5: expected fractions"),
        ({"test": 0.89}, "30 examples leave none to train on: give more, or smaller fractions"),
    ],
)
def test_splits_that_cannot_be_made_are_refused(choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_arrays(X, **choice)
