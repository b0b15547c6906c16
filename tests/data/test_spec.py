import numpy as np
import pandas
import pytest

from ae_jax import InvalidInput
from ae_jax.data import ReadOptions, from_arrays

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (20, 4, 4)).astype(np.uint8)
BYTES[:, 0, :2] = 0, 255
UNIT = RNG.uniform(size=(20, 3)).astype(np.float32)
REAL = RNG.normal(size=(20, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("x", "scaling", "likelihood"),
    [
        (BYTES, None, "BernoulliLikelihood"),
        (BYTES // 128, None, "BernoulliLikelihood"),
        (BYTES, "none", "GaussianLikelihood"),
        (UNIT, None, "BernoulliLikelihood"),
        (REAL, None, "GaussianLikelihood"),
    ],
)
def test_the_range_in_model_units_chooses_the_likelihood(x, scaling, likelihood):
    description = from_arrays(x, scaling=scaling).spec
    assert description.likelihood == likelihood
    assert description.unit_interval == (likelihood == "BernoulliLikelihood")


def test_what_was_trained_on_is_taken_as_it_is():
    data = from_arrays(BYTES).spec
    for x in (BYTES, BYTES.astype(float), np.zeros_like(BYTES), BYTES + RNG.normal(0, 100, BYTES.shape)):
        np.testing.assert_array_equal(data.raw(x), x.astype(np.float32))
    real = from_arrays(REAL).spec
    np.testing.assert_array_equal(real.raw(10 * REAL), 10 * REAL)
    with pytest.warns(UserWarning, match="data has values from .*, and the autoencoder was trained on values from"):
        np.testing.assert_array_equal(real.raw(1e6 * REAL), np.float32(1e6 * REAL))


@pytest.mark.parametrize(
    ("trained_on", "given", "sentence"),
    [
        (BYTES, BYTES / 255, "file has fractions from 0 to 1: expected whole numbers from 0 to 255, .*it scales them"),
        (UNIT, 255 * UNIT, r"file has the value .* at index \(0, 0\): expected about 0 to 1, as the autoencoder was"),
        (BYTES, BYTES[:, :2], r"file has shape \(20, 2, 4\): expected \[examples, 4, 4\], as the autoencoder was"),
    ],
)
def test_other_shapes_and_units_are_refused(trained_on, given, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_arrays(trained_on).spec.raw(given, "file")


def test_columns_of_a_frame_are_taken_by_their_names():
    frame = pandas.DataFrame(REAL, columns=["a", "b", "c"])
    data = from_arrays(frame).spec
    other = frame.assign(kind="x")[["kind", "c", "a", "b"]]
    np.testing.assert_array_equal(data.raw(other), REAL)
    with pytest.raises(InvalidInput, match="unknown column of data 'b'"):
        data.raw(other.drop(columns="b"))


def test_a_shape_that_is_none_is_refused():
    with pytest.raises(InvalidInput, match=r"ReadOptions was given shape\[1\]=0: expected a whole number above zero"):
        ReadOptions(shape=(28, 0))
    with pytest.raises(InvalidInput, match="ReadOptions was given an empty shape: expected one number or more"):
        ReadOptions(shape=())
