"""The codebook chooses, follows and replaces its codes as NumPy would, and gradients pass it as the equation says."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

import ae_jax
from ae_jax.errors import InvalidInput
from ae_jax.models.vq import Quantized, VectorQuantizer, perplexity
from ae_jax.networks import Convolutional, functional
from ae_jax.types import Batch

NEVER = 1e12


def codebook_of(codes=5, size=3, trained=False):
    quantizer = VectorQuantizer(codes=codes, size=size, trained=trained)
    return quantizer(None, (8,), (2 * size,), nnx.Rngs(0))


def nearest(vectors, codes):
    return np.array([np.argmin([np.sum((vector - code) ** 2) for code in codes]) for vector in vectors])


@pytest.mark.parametrize("shape", [(7, 6), (4, 2, 3, 6)])
def test_each_vector_becomes_its_nearest_code(shape):
    book = codebook_of()
    code = jax.random.normal(jax.random.key(0), shape)
    codes = np.asarray(book.vectors[...])
    numbers = nearest(np.asarray(code).reshape(-1, 3), codes)
    np.testing.assert_array_equal(book.indices(code), numbers.reshape(*shape[:-1], 2))
    np.testing.assert_array_equal(book(code), codes[numbers].reshape(shape))


def test_the_gradient_of_the_quantised_code_is_that_of_the_code():
    book = codebook_of()
    code, weights = jax.random.normal(jax.random.key(0), (2, 7, 6))
    gradient = jax.grad(lambda z: jnp.sum(weights * book(z)))(code)
    np.testing.assert_array_equal(gradient, weights)


def test_codes_follow_moving_averages_of_their_vectors():
    book, decay = codebook_of(), 0.9
    codes = np.asarray(book.vectors[...], np.float64)
    counts, sums = np.ones(5), codes.copy()
    for step in range(4):
        code = np.random.default_rng(step).normal(size=(7, 6)).astype(np.float32)
        vectors = code.reshape(-1, 3)
        numbers = nearest(vectors, codes)
        book.update(jax.random.key(step), jnp.asarray(code), decay, NEVER)
        for k in range(5):
            mine = vectors[numbers == k]
            counts[k] = decay * counts[k] + (1 - decay) * len(mine)
            sums[k] = decay * sums[k] + (1 - decay) * mine.sum(axis=0)
            codes[k] = sums[k] / counts[k]
    np.testing.assert_allclose(book.counts[...], counts, rtol=1e-5)
    np.testing.assert_allclose(book.vectors[...], codes, rtol=1e-4, atol=1e-6)


def test_a_code_whose_averages_have_vanished_stays():
    book = codebook_of()
    book.counts[...], book.sums[...] = jnp.zeros(5), jnp.zeros((5, 3))
    before = np.asarray(book.vectors[...])
    code = jnp.tile(book.vectors[...][:1], (7, 2))
    book.update(jax.random.key(0), code, 0.9, NEVER)
    np.testing.assert_allclose(book.vectors[...], before, rtol=1e-5)


def test_losses_and_their_gradients_equal_numpy():
    book = codebook_of(trained=True)
    graph, variables = nnx.split(book)
    code = jax.random.normal(jax.random.key(1), (7, 6))

    def losses_of(variables, code):
        terms = nnx.merge(graph, variables).update(jax.random.key(0), code, None, NEVER)
        return {name: jnp.mean(terms[name]) for name in ("commitment", "codebook")}

    codes = np.asarray(book.vectors[...], np.float64)
    vectors = np.asarray(code).reshape(-1, 3)
    numbers = nearest(vectors, codes)
    difference = vectors - codes[numbers]
    of_codes = np.zeros_like(codes)
    np.add.at(of_codes, numbers, -2 * difference / len(code))
    commitment, codebook = (
        jax.grad(lambda *given, name=name: losses_of(*given)[name], argnums=(0, 1), allow_int=True)(variables, code)
        for name in ("commitment", "codebook")
    )
    for value in losses_of(variables, code).values():
        np.testing.assert_allclose(value, np.sum(difference**2) / len(code), rtol=1e-5)
    np.testing.assert_allclose(commitment[1], (2 * difference / len(code)).reshape(7, 6), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(commitment[0]["vectors"][...], 0 * of_codes)
    np.testing.assert_array_equal(codebook[1], 0 * code)
    np.testing.assert_allclose(codebook[0]["vectors"][...], of_codes, rtol=1e-4, atol=1e-6)


def test_dead_codes_become_vectors_of_the_batch():
    book = codebook_of(codes=40)
    first, second, third = jax.random.normal(jax.random.key(0), (3, 8, 6))
    used = np.unique(book.indices(first))
    before = np.asarray(book.vectors[...])
    book.update(jax.random.key(1), first, 0.9, 16)  # codes start dead
    after, vectors = np.asarray(book.vectors[...]), np.asarray(first).reshape(-1, 3)
    replaced = [k for k in range(40) if (vectors == after[k]).all(axis=1).any()]
    assert sorted({*replaced, *used.tolist()}) == list(range(40))
    assert set(replaced).isdisjoint(used.tolist())
    np.testing.assert_array_equal(book.counts[...][np.array(replaced)], 1.0)

    used = np.unique(book.indices(second))
    book.update(jax.random.key(2), second, 0.9, 16)  # 8 examples without use are not enough
    others = np.setdiff1d(np.arange(40), used)
    np.testing.assert_allclose(np.asarray(book.vectors[...])[others], after[others], rtol=1e-5)
    unused = np.asarray(book.unused[...])
    assert (unused[used] == 0).all()
    book.update(jax.random.key(3), third, 0.9, 16)
    assert int(jnp.max(book.unused[...])) < 16
    assert not np.allclose(before, book.vectors[...])


def test_dead_codes_that_are_parameters_are_pulled_to_vectors_of_the_batch():
    objective = Quantized(codes=40, size=3, decay=None, dead_after=1)
    autoencoder = dataclasses.replace(ae_jax.vq(code=6, hidden=()), objective=objective)
    params, state = autoencoder.init((5,), jax.random.key(0))
    x = jax.random.uniform(jax.random.key(1), (8, 5))

    def loss_of(params):
        model = functional.bind(autoencoder.spec((5,)), params, state, jax.random.key(3))  # in training mode
        return objective(model, jax.random.key(2), Batch(x), 0)[0]

    model = autoencoder.bind((5,), params, state)
    code = model.networks.encode(x)
    unused = np.setdiff1d(np.arange(40), model.bottleneck.indices(code))
    gradient = np.asarray(jax.grad(loss_of)(params)["bottleneck"]["vectors"])
    targets = np.asarray(params["bottleneck"]["vectors"]) - 0.5 * len(x) * gradient
    distance = np.abs(targets[unused][:, None] - np.asarray(code).reshape(1, -1, 3)).max(axis=-1).min(axis=1)
    np.testing.assert_allclose(distance, 0.0, atol=1e-5)


@pytest.mark.parametrize("use", [[1.0, 2.0, 3.0], [4.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
def test_perplexity_is_the_exponential_of_the_entropy(use):
    np.testing.assert_allclose(perplexity(jnp.array(use)), np.exp(stats.entropy(use)), rtol=1e-6)


def test_a_convolutional_code_keeps_its_places():
    vq = ae_jax.vq(grid=(4, 4), channels=(3,), code=4)
    model = vq.bind((8, 8), *vq.init((8, 8), jax.random.key(0)))
    z = model.encode(jnp.ones((5, 8, 8)))
    assert z.shape == (5, 4, 4, 4)
    assert model.decode(z).shape == (5, 8, 8)
    loss, _ = vq.objective(model, jax.random.key(1), Batch(jnp.ones((5, 8, 8))), 0)
    assert np.isfinite(loss)


@pytest.mark.parametrize("decay", [0.99, None], ids=["averages", "trained"])
def test_a_run_encodes_to_its_codebook(decay, small):
    vq = ae_jax.vq(code=4, hidden=(6,), codes=8, dead_after=64, decay=decay)
    whole = ae_jax.fit(vq, small, seeds=[0, 1], epochs=2, batch_size=16)
    member = whole[1]
    kept = member.params if "bottleneck" in member.params else member.state
    codes = np.asarray(kept["bottleneck"]["vectors"])[0]
    vectors = np.asarray(member.encode(small.test.x)).reshape(-1, 2)
    assert {tuple(vector) for vector in vectors.tolist()} <= {tuple(code) for code in codes.tolist()}
    np.testing.assert_allclose(
        member.reconstruct(small.test.x), member.decode(member.encode(small.test.x)), rtol=1e-4, atol=1e-4
    )
    assert np.isfinite(whole.history["validation"]["perplexity"]).all()


def test_settings_that_do_not_fit_are_refused(small):
    with pytest.raises(InvalidInput, match="size=3: expected a divisor of the code's last axis, 16"):
        ae_jax.fit(ae_jax.vq(size=3), small, epochs=1)
    with pytest.raises(InvalidInput, match=r"decay=1\.0: expected a number between 0 and 1"):
        ae_jax.vq(decay=1.0)
    with pytest.raises(InvalidInput, match=r"expected code=\(2, 2, 16\)"):
        ae_jax.fit(ae_jax.vq(grid=(4, 4)), small, epochs=1)
    with pytest.raises(InvalidInput, match=r"expected \(height, width, channels\)"):
        Convolutional(code=(2, 2, 4), stochastic=True)
