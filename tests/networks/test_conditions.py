import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.networks import MLP, Convolutional

X = jnp.asarray(np.random.default_rng(0).uniform(size=(4, 4, 4)), jnp.float32)
LABELS = jnp.array([0, 2, 1, 2])
BUILDERS = [MLP(hidden=(6,), code=3, condition=3), Convolutional(channels=(2,), code=3, condition=3)]
of_both = pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: type(builder).__name__)


@of_both
def test_class_numbers_are_one_hot_covariates(builder, networks_of):
    networks, _ = networks_of(builder, (4, 4))
    by_number, by_covariates = (networks.encode(X, one) for one in (LABELS, jnp.eye(3)[LABELS]))
    np.testing.assert_array_equal(by_number, by_covariates)
    assert not np.allclose(by_number, networks.encode(X, LABELS[::-1]))
    z = jnp.ones((4, 3))
    outputs = networks.decode(z, LABELS)
    assert outputs.shape == X.shape
    np.testing.assert_allclose(outputs[1], outputs[3], rtol=1e-5)
    assert not np.allclose(outputs[0], outputs[1])
    assert not hasattr(networks, "dense_layers") or networks.dense_layers() is None


@of_both
@pytest.mark.parametrize(
    ("condition", "sentence"),
    [(None, "with condition=3 was given no condition"), (jnp.ones((4, 2)), r"condition of shape \(4, 2\)")],
)
def test_a_condition_that_is_missing_or_of_another_size_is_refused(builder, condition, sentence, networks_of):
    networks, _ = networks_of(builder, (4, 4))
    for use in (lambda: networks.encode(X, condition), lambda: networks.decode(jnp.ones((4, 3)), condition)):
        with pytest.raises(InvalidInput, match=sentence):
            use()


def test_networks_without_a_condition_refuse_one(networks_of):
    networks, _ = networks_of(MLP(hidden=(), code=2), (4, 4))
    with pytest.raises(InvalidInput, match="MLP was given a condition: expected none"):
        networks.encode(X, LABELS)
