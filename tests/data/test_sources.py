import numpy as np
import pytest
from sklearn.datasets import load_digits

from ae_jax import InvalidInput
from ae_jax.data import EMBEDDED, load
from ae_jax.data.sources import read_file

X = np.arange(40, dtype=np.uint8).reshape(20, 2)
LABELS = np.arange(20) % 2


def test_digits_are_those_of_scikit_learn(digits):
    splits = (digits.train, digits.validation, digits.test)
    assert [len(split.x) for split in splits] == [1258, 180, 359]
    ours = np.concatenate([np.column_stack([split.x.reshape(-1, 64), split.labels]) for split in splits])
    theirs = np.column_stack([load_digits().data, load_digits().target])
    assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, theirs.tolist()))
    assert digits.train.x.dtype == np.uint8
    assert float(digits.scaling(digits.train.x.max())) == 1.0


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_data_load_by_name(name):
    assert load(name, seed=1).name == name


def test_a_file_of_examples_loads(tmp_path):
    np.save(tmp_path / "mine.npy", X)
    data = load(str(tmp_path / "mine.npy"))
    assert data.name == "mine"
    assert data.train.labels is None
    assert [len(split.x) for split in (data.train, data.validation, data.test)] == [14, 2, 4]


def test_a_file_of_examples_and_labels_loads(tmp_path):
    np.savez(tmp_path / "mine.npz", x=X, y=LABELS, more=np.ones(3))
    data = load(str(tmp_path / "mine.npz"))
    np.testing.assert_array_equal(data.train.labels, LABELS[data.train.x[:, 0] // 2])


def test_a_file_without_examples_is_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", images=X, y=LABELS)
    with pytest.raises(InvalidInput, match=r"mine.npz holds images, y: expected the examples under x"):
        load(str(tmp_path / "mine.npz"))


def test_pickled_objects_are_never_loaded(tmp_path):
    np.save(tmp_path / "mine.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InvalidInput, match=r"mine.npy cannot be read .*: expected an array written by numpy.save"):
        load(str(tmp_path / "mine.npy"))


@pytest.mark.parametrize("name", ["mine.npy", "mine.npz"])
@pytest.mark.parametrize("kept", [0, 100])
def test_a_damaged_file_is_refused(name, kept, tmp_path):
    path = tmp_path / name
    np.savez(path, x=X) if name.endswith("npz") else np.save(path, X)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InvalidInput, match=f"{name} cannot be read .*: expected an array written by numpy.save"):
        read_file(path)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("digit", "unknown data set 'digit': did you mean 'digits'"),
        ("mine.csv", "unknown data set 'mine.csv': .*FILE.npy, FILE.npz"),
        ("/nowhere/mine.npy", "there is no file /nowhere/mine.npy: expected a .npy or .npz file of examples"),
    ],
)
def test_sources_that_are_not_there_are_refused(source, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        load(source)
