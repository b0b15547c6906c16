import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from ae_jax import InvalidInput
from ae_jax.data import as_examples, as_labels, require_shape, require_unit_interval


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("bool", "uint8"),
        ("uint8", "uint8"),
        ("int64", "float32"),
        ("float32", "float32"),
    ],
)
def test_numbers_are_stored_in_a_type_of_the_device(given, stored):
    examples = as_examples(np.arange(6).reshape(3, 2).astype(given))
    assert examples.dtype == stored
    np.testing.assert_array_equal(examples, np.arange(6).reshape(3, 2).astype(given).astype(float))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([np.inf, 0.0, np.nan], r"mine has 2 NaN or infinite values, the first at index \(0, 1\): .*drop or impute"),
        ([0.0, 1e300, -1e39], r"mine has 2 values beyond 3.4e\+38, the first at index \(0, 2\): .*rescale them"),
    ],
)
def test_values_that_cannot_be_stored_are_counted_and_the_first_is_named(values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        as_examples(np.array([[0.0, *values]]), "mine")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.zeros((0, 3)), r"data is empty, of shape \(0, 3\): expected at least one example with one feature"),
        ([], r"data has shape \(0,\): expected \[examples, \*features\]"),
        ([[1, 2], [3]], "data is ragged .*: expected examples of one shape"),
        ([["a", "b"]], "data has type <U1: expected numbers; encode text and drop missing values"),
        (np.array([["2020-01-01"]], "datetime64[D]"), "data has type datetime64.*: expected numbers"),
        (np.ones((2, 2), complex), "data has type complex128: expected real numbers; take parts or magnitudes"),
    ],
)
def test_data_that_cannot_be_used_are_refused(values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        as_examples(values)


@pytest.mark.parametrize("value", [2**24 + 1, -(2**24) - 1])
def test_integers_that_lose_digits_are_warned_of(value):
    with pytest.warns(UserWarning, match=rf"mine has integers from .*{value}.*: beyond 2\*\*24, 32-bit floats lose"):
        assert as_examples(np.array([[0, value]]), "mine").dtype == np.float32


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([0, 1, 2], "i"),
        (["cat", "dog", "cat"], "U"),
        (np.array([0.5, 1.5, np.inf]), "f"),
    ],
)
def test_labels_become_an_array_of_one_type(labels, kind):
    assert as_labels(labels, 3).dtype.kind == kind


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0.0, np.nan, np.nan], "mine are missing .* for 2 examples, the first at index 1: .*drop those examples, or"),
        (np.array(["NaT", "2020-01-01", "2020-01-01"], "datetime64[D]"), "mine are missing .* at index 0"),
        ([{}, "cat", "dog"], "mine are missing .* for 1 examples, the first at index 0"),
        ([0, 1], r"mine have shape \(2,\) for 3 examples: expected one label for each example"),
        ([[0], [1, 2], [3]], "mine are ragged .*: expected one label for each example"),
    ],
)
def test_labels_that_name_nothing_are_refused(labels, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        as_labels(labels, 3, "mine")


def test_another_shape_than_trained_on_is_refused():
    require_shape(np.zeros((9, 3, 2)), (3, 2), "data")
    with pytest.raises(
        InvalidInput, match=r"codes has shape \(9, 6\): expected \[examples, 3, 2\], as the autoencoder"
    ):
        require_shape(np.zeros((9, 6)), (3, 2), "codes")


def test_values_outside_the_unit_interval_are_refused():
    require_unit_interval(0.0, 1.0, "it")
    for low, high in ((-0.5, 1.0), (0.0, 16.0)):
        with pytest.raises(
            InvalidInput, match=rf"it was given values from {low:g} to {high:g}: expected \[0, 1\]; scale"
        ):
            require_unit_interval(low, high, "it")


class Exchanged:
    """An array of a library that knows DLPack only."""

    def __init__(self, array: np.ndarray | jax.Array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Tensor:
    """A tensor with a gradient on a device, as PyTorch has it: detached and copied, it is an array."""

    def __init__(self, array: np.ndarray, steps: tuple[str, ...] = ()):
        self.array, self.steps = array, steps

    def detach(self) -> "Tensor":
        return Tensor(self.array, (*self.steps, "detach"))

    def cpu(self) -> "Tensor":
        return Tensor(self.array, (*self.steps, "cpu"))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if self.steps != ("detach", "cpu"):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.array


class Unreadable(Exchanged):
    """A tensor of a type that its library has no array for."""

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        raise TypeError("Got unsupported ScalarType BFloat16")


SQUARE = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


@pytest.mark.parametrize(
    "values",
    [
        SQUARE.tolist(),
        jnp.asarray(SQUARE),
        jnp.asarray(SQUARE, jnp.bfloat16),
        np.asarray(jnp.asarray(SQUARE, jnp.float8_e4m3fn)),
        Exchanged(SQUARE),
        Exchanged(jnp.asarray(SQUARE, jnp.bfloat16)),
        Unreadable(jnp.asarray(SQUARE, jnp.bfloat16)),
        Tensor(SQUARE),
        pd.DataFrame({"a": [1, 3], "b": [2.0, 4.0]}),
    ],
    ids=lambda values: f"{type(values).__name__}-{getattr(values, 'dtype', '')}",
)
def test_arrays_of_every_library_are_read(values):
    examples = as_examples(values)
    assert type(examples) is np.ndarray
    assert examples.dtype == np.float32
    np.testing.assert_array_equal(examples, SQUARE)


def test_an_array_that_cannot_be_exchanged_is_refused():
    class Broken(Exchanged):
        def __dlpack__(self, **options):
            raise BufferError("it is on another planet")

    with pytest.raises(InvalidInput, match=r"data cannot be read .*: expected an array; convert it to NumPy's"):
        as_examples(Broken(SQUARE))


def test_tensors_of_pytorch_itself_are_read():
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(SQUARE.tolist(), requires_grad=True)
    for values in (tensor, tensor.detach(), tensor.to(torch.bfloat16), tensor.double()):
        np.testing.assert_array_equal(as_examples(values), SQUARE)
