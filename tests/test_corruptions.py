import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.corruptions import Binarisation, Gaussian, Masking, SaltAndPepper

LEVELLED = [Gaussian(scale=0.5), Masking(probability=0.3), SaltAndPepper(probability=0.3, low=-2.0, high=3.0)]
CORRUPTIONS = [*LEVELLED, Binarisation()]
UNTOUCHED = [Gaussian(scale=0.0), Masking(probability=0.0), SaltAndPepper(probability=0.0)]
SHAPE = (50, 20, 10)
COUNT = 50 * 20 * 10


def kind(value: object) -> str:
    return type(value).__name__


@pytest.fixture(scope="module")
def x() -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).uniform(0.1, 0.9, size=SHAPE), jnp.float32)


@pytest.fixture(scope="module")
def key() -> jax.Array:
    return jax.random.key(7)


def test_gaussian_noise_has_its_scale(x, key):
    added = np.asarray(Gaussian(scale=0.5)(key, x) - x)
    # Five standard errors of a mean, and of a standard deviation.
    assert abs(added.mean()) < 5 * 0.5 / COUNT**0.5
    assert abs(added.std() - 0.5) < 5 * 0.5 / (2 * COUNT) ** 0.5
    assert abs(np.corrcoef(added[:, 0, 0], added[:, 0, 1])[0, 1]) < 5 / SHAPE[0] ** 0.5


def test_masking_zeroes_its_share_and_leaves_the_rest(x, key):
    masked = np.asarray(Masking(probability=0.3)(key, x))
    zeroed = masked == 0
    assert abs(zeroed.mean() - 0.3) < 5 * (0.3 * 0.7 / COUNT) ** 0.5
    np.testing.assert_array_equal(masked[~zeroed], np.asarray(x)[~zeroed])


def test_salt_and_pepper_sets_its_share_to_either_extreme(x, key):
    damaged = np.asarray(SaltAndPepper(probability=0.3, low=-2.0, high=3.0)(key, x))
    for extreme in (-2.0, 3.0):
        assert abs((damaged == extreme).mean() - 0.15) < 5 * (0.15 * 0.85 / COUNT) ** 0.5
    kept = (damaged != -2.0) & (damaged != 3.0)
    np.testing.assert_array_equal(damaged[kept], np.asarray(x)[kept])


def test_binarisation_draws_ones_as_often_as_values_say(key):
    x = jnp.broadcast_to(jnp.array([-0.5, 0.0, 0.3, 1.0, 1.5]), (COUNT, 5))
    drawn = np.asarray(Binarisation()(key, x))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_array_equal(drawn.mean(axis=0)[[0, 1, 3, 4]], [0, 0, 1, 1])
    assert abs(drawn[:, 2].mean() - 0.3) < 5 * (0.3 * 0.7 / COUNT) ** 0.5


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=kind)
def test_the_key_decides(corruption, x, key):
    np.testing.assert_array_equal(corruption(key, x), corruption(key, x))
    assert not np.array_equal(corruption(key, x), corruption(jax.random.key(8), x))


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=kind)
def test_examples_are_damaged_independently(corruption, key):
    same = jnp.full((2, 200), 0.5)
    first, second = corruption(key, same)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("corruption", UNTOUCHED, ids=kind)
def test_level_zero_is_the_identity(corruption, x, key):
    np.testing.assert_array_equal(corruption(key, x), x)


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=kind)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_shape_and_type_are_kept_also_while_its_numbers_are_traced(corruption, dtype, x, key):
    damaged = jax.eval_shape(lambda c, k, x: c(k, x), corruption, key, x.astype(dtype))
    assert damaged.shape == SHAPE
    assert damaged.dtype == dtype


@pytest.mark.parametrize("corruption", LEVELLED, ids=kind)
def test_levels_can_be_mapped_over(corruption, key):
    x = jnp.full((3, 7), 0.5)
    levels = jax.tree.map(lambda *numbers: jnp.array(numbers), corruption, corruption)
    np.testing.assert_allclose(jax.vmap(lambda c: c(key, x))(levels)[1], corruption(key, x), rtol=1e-6)


@pytest.mark.parametrize(
    ("corruption", "numbers", "sentence"),
    [
        (Gaussian, {"scale": -0.1}, "Gaussian was given scale=-0.1: expected zero or a number above"),
        (Masking, {"probability": 1.5}, "Masking was given probability=1.5: expected a probability, from 0 to 1"),
        (SaltAndPepper, {"probability": -0.5}, "SaltAndPepper was given probability=-0.5: expected a probability"),
    ],
)
def test_levels_that_cannot_be_used_are_refused(corruption, numbers, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        corruption(**numbers)
