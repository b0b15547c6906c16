import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data import Scaling


@pytest.mark.parametrize(
    ("stored", "scaling"),
    [
        (np.array([[0, 255]], np.uint8), Scaling(scale=255.0)),
        (np.array([[0, 2]], np.uint8), Scaling(scale=255.0)),
        (np.array([[0, 1]], np.uint8), Scaling()),
        (np.array([[0.0, 255.0]], np.float32), Scaling()),
    ],
)
def test_a_storage_type_implies_a_scaling(stored, scaling):
    assert Scaling.of(stored) == scaling


def test_bytes_come_to_the_unit_interval_and_back():
    stored = np.arange(256, dtype=np.uint8)[:, None]
    scaling = Scaling(scale=255.0)
    values = scaling(stored)
    assert values.dtype == jnp.float32
    assert values.min() == 0.0
    assert values.max() == 1.0
    np.testing.assert_array_equal(np.rint(scaling.invert(values)), stored)


def test_offset_and_scale_are_in_units_of_the_data():
    scaling = Scaling(offset=10.0, scale=4.0)
    np.testing.assert_allclose(scaling(np.array([[10.0, 14.0, 6.0]])), [[0.0, 1.0, -1.0]])
    np.testing.assert_allclose(scaling.invert(np.array([[0.0, 1.0, -1.0]])), [[10.0, 14.0, 6.0]])


def test_bytes_below_the_offset_do_not_wrap():
    np.testing.assert_allclose(Scaling(offset=128.0)(np.array([[0, 255]], np.uint8)), [[-128.0, 127.0]])


def test_it_can_be_traced():
    stored = jnp.array([[0, 8]], jnp.uint8)
    np.testing.assert_allclose(jax.jit(lambda s, x: s(x))(Scaling(scale=16.0), stored), [[0.0, 0.5]])


@pytest.mark.parametrize("number", [4, 4.0, np.float32(4), np.uint8(4), np.array(4.0), jnp.array(4.0)])
def test_a_number_of_any_library_scales(number):
    scaling = Scaling(offset=number, scale=number)
    np.testing.assert_allclose(scaling(np.array([[8.0]])), [[1.0]])
    assert scaling.agrees(Scaling(offset=4.0, scale=4.0))
    assert not scaling.agrees(Scaling(scale=4.0))


@pytest.mark.parametrize("name", ["offset", "scale"])
@pytest.mark.parametrize(
    "value", [np.nan, np.inf, 1e300, 10**400, "255", None, True, np.True_, 1j, [1.0], np.ones(1), jnp.ones((2, 2))]
)
def test_what_is_not_one_finite_number_is_refused(name, value, unchecked):
    with pytest.raises(InvalidInput, match=rf"(?s)Scaling was given {name}=.*: expected one finite number of 32 bits"):
        Scaling(**{name: value})


@pytest.mark.parametrize("value", [0, 0.0, -0.0, 1e-300, np.float32(0)])
def test_a_scale_of_zero_is_refused(value):
    with pytest.raises(InvalidInput, match=r"Scaling was given scale=.*: expected a number that one can divide by"):
        Scaling(scale=value)


def test_it_can_be_mapped_over():
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), Scaling(scale=2.0), Scaling(scale=4.0))
    np.testing.assert_allclose(jax.vmap(lambda s: s(8.0))(stacked), [4.0, 2.0])
