import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, L1, Classification, Contractive, KLSparsity, Objective, Reconstruction
from ae_jax.objectives.base import penalty_terms, weighted_sum
from ae_jax.schedules import Linear
from ae_jax.types import Batch

KEY = jax.random.key(0)


def test_terms_are_unweighted_means_and_the_loss_their_weighted_sum():
    terms = {"a": (2.0, jnp.array([1.0, 3.0])), "b": (Linear(start=0.0, end=1.0, steps=10), jnp.array(4.0))}
    for step, weight in ((0, 0.0), (5, 0.5), (100, 1.0)):
        loss, metrics = weighted_sum(terms, step)
        assert {name: float(value) for name, value in metrics.items()} == {"a": 2.0, "b": 4.0}
        np.testing.assert_allclose(loss, 2.0 * 2.0 + weight * 4.0)


def test_each_penalty_stands_under_its_name_with_its_weight_and_once(model_of):
    batch = Batch(jax.random.uniform(KEY, (4, 3)))
    model = model_of(MLP(hidden=(), code=2, code_activation="sigmoid"), (3,))
    code = model.encode(batch.x)
    penalties = (L1(weight=0.5), KLSparsity(weight=2.0), Contractive(weight=3.0))
    terms = penalty_terms(penalties, model, KEY, batch, code)
    assert {name: weight for name, (weight, _) in terms.items()} == {"l1": 0.5, "kl_sparsity": 2.0, "jacobian": 3.0}
    np.testing.assert_allclose(terms["l1"][1], np.sum(code, axis=1), rtol=1e-6)
    with pytest.raises(InvalidInput, match="was given the penalties l1, l1: expected each name once"):
        penalty_terms((L1(), L1(weight=2.0)), model, KEY, batch, code)


@pytest.mark.parametrize(
    ("objective", "parts", "selection", "uses_condition"),
    [
        (Reconstruction(), [], "loss", False),
        (ELBO(), ["prior"], "loss", False),
        (Classification(), ["head"], "error", True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_objectives_say_what_they_need(objective, parts, selection, uses_condition):
    assert isinstance(objective, Objective)
    assert sorted(objective.parts) == parts
    assert (objective.selection, objective.uses_condition) == (selection, uses_condition)
