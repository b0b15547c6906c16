import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.components import from_config, to_config
from ae_jax.data import Scaling, from_splits
from ae_jax.data.scaling import Statistics, fitted


@pytest.mark.parametrize(
    ("x", "scaling", "expected", "notes"),
    [
        (np.array([[0, 128]], np.uint8), None, Scaling(scale=255.0), 0),
        (np.array([[0, 16]], np.uint8), None, Scaling(scale=16.0), 1),
        (np.array([[0, 16]], np.uint8), "unit", Scaling(scale=16.0), 1),
        (np.array([[0, 16]], np.uint8), "bytes", Scaling(scale=255.0), 0),
        (np.array([[0, 1]], np.uint8), None, Scaling(), 0),
        (np.array([[0.0, 255.0]], np.float32), None, Scaling(), 0),
        (np.array([[[0, 200]]]), None, Scaling(scale=255.0), 1),
        (np.array([[[0, 16]]]), None, Scaling(), 0),
        (np.array([[[0.5, 200]]]), None, Scaling(), 0),
    ],
)
def test_bytes_are_divided_by_255_where_that_is_certain_and_else_by_their_highest(x, scaling, expected, notes):
    data = from_splits(x, scaling=scaling)
    assert data.scaling == expected
    assert len(data.notes) == notes


def test_unit_scaling_is_widened_to_held_out_values_near_the_range():
    x = np.linspace(0.0, 1.0, 40, dtype=np.float32).reshape(20, 2)
    data = from_splits(x[:15], validation=x[15:], scaling="unit")
    assert data.spec.unit_interval
    assert "widened" in data.notes[0]
    assert (
        from_splits(x[:15], validation=x[15:] * 9, scaling="unit").scaling
        == from_splits(x[:15], scaling="unit").scaling
    )


@pytest.mark.parametrize("scaling", ["unit", "standard"])
def test_a_value_that_leaves_no_difference_between_others_is_warned_of(scaling):
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    x[7, 1] = 3e38
    with pytest.warns(
        UserWarning, match=rf"mine has the value 3e\+38 in feature 1, .*{scaling} scaling makes the others"
    ):
        from_splits(x, name="mine", scaling=scaling)
    rare = np.zeros((50, 2), np.float32)
    rare[3, 0] = 9.0  # of two values, neither is far from the others
    from_splits(rare, scaling=scaling)


@pytest.mark.parametrize("name", ["offset", "scale"])
@pytest.mark.parametrize(
    "value",
    [np.inf, 10**400, "255", True, [], [1.0, [2.0]], np.array([1.0, np.nan])],
)
def test_what_is_no_finite_number_is_refused(name, value, unchecked):
    with pytest.raises(InvalidInput, match=rf"(?s)Scaling was given {name}=.*: expected one finite number of 32 bits"):
        Scaling(**{name: value})


@pytest.mark.parametrize("value", [0, 1e-300, [1.0, 0.0]])
def test_a_scale_of_zero_is_refused(value):
    with pytest.raises(InvalidInput, match=r"Scaling was given scale=.*: expected a number that one can divide by"):
        Scaling(scale=value)


@pytest.mark.parametrize("kind", [list, jnp.array])
def test_every_feature_may_have_its_own(kind):
    scaling = Scaling(offset=kind([1.0, 2.0]), scale=kind([2.0, 4.0]))
    x = np.array([[1.0, 2.0], [3.0, 10.0]])
    np.testing.assert_allclose(scaling(x), [[0.0, 0.0], [1.0, 2.0]])
    np.testing.assert_allclose(scaling.invert(np.asarray(scaling(x))), x)
    members = np.stack([x, 2 * x, 3 * x])
    np.testing.assert_allclose(scaling.invert(members)[1], scaling.invert(2 * x))
    np.testing.assert_allclose(jax.jit(lambda s, x: s(x))(scaling, jnp.asarray(x)), scaling(x))
    assert scaling == from_config(to_config(scaling))
    assert scaling != Scaling(offset=[1.0, 3.0], scale=[2.0, 4.0])
    assert scaling != Scaling(offset=1.0)
    assert hash(scaling) == hash(Scaling(offset=(1, 2), scale=(2, 4)))


@pytest.mark.parametrize("shape", [(50, 3), (50, 4, 3)])
def test_statistics_of_parts_are_those_of_the_whole(shape):
    x = np.random.default_rng(0).normal(5.0, 2.0, shape).astype(np.float32)
    axis = 0 if len(shape) == 2 else None
    for parts in ([x], [x[:1], x[1:20], x[20:]]):
        found = Statistics.of(parts)
        np.testing.assert_allclose(found.mean, x.mean(axis=axis, dtype=np.float64), rtol=1e-6)
        np.testing.assert_allclose(found.deviation, x.std(axis=axis, dtype=np.float64), rtol=1e-6)
        np.testing.assert_array_equal(found.low, x.min(axis=axis))
        np.testing.assert_array_equal(found.high, x.max(axis=axis))
        extremes = Statistics.of(parts, moments=False)
        np.testing.assert_array_equal(extremes.high, found.high)
        assert extremes.mean is None


def test_a_scaling_is_fitted_to_each_feature_of_rows():
    x = np.random.default_rng(0).normal([0.0, 100.0], [1.0, 30.0], (200, 2)).astype(np.float32)
    standard = np.asarray(fitted("standard", Statistics.of([x]), of_bytes=False)(x))
    np.testing.assert_allclose(standard.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(standard.std(axis=0), 1.0, rtol=1e-5)
    unit = np.asarray(fitted("unit", Statistics.of([x]), of_bytes=False)(x))
    np.testing.assert_array_equal(unit.min(axis=0), 0.0)
    np.testing.assert_allclose(unit.max(axis=0), 1.0, rtol=1e-6)
    assert fitted("none", Statistics.of([x]), of_bytes=False) == Scaling()


@pytest.mark.parametrize("seed", range(5))
def test_the_unit_interval_is_never_left_by_rounding(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(rng.normal(0, 100, 40), rng.uniform(1e-3, 50, 40), (50, 40)).astype(np.float32)
    unit = np.asarray(fitted("unit", Statistics.of([x]), of_bytes=False)(x))
    assert unit.min() >= 0.0
    assert unit.max() <= 1.0


def test_a_scaling_of_images_is_one_for_all_pixels():
    x = np.random.default_rng(0).integers(0, 17, (30, 4, 4)).astype(np.uint8)
    assert np.ndim(fitted("standard", Statistics.of([x]), of_bytes=True).scale) == 0
    assert fitted("unit", Statistics.of([x]), of_bytes=True) == Scaling(scale=16.0)
    assert fitted("unit", Statistics.of([x // 16]), of_bytes=True) == Scaling()


@pytest.mark.parametrize(("kind", "scaled"), [("standard", [[-1, 0], [1, 0]]), ("unit", [[0, 0], [1, 0]])])
def test_a_constant_feature_becomes_zero(kind, scaled):
    x = np.array([[0.0, 7.1], [1.0, 7.1]], np.float32)
    np.testing.assert_allclose(fitted(kind, Statistics.of([x]), of_bytes=False)(x), scaled, atol=1e-6)
