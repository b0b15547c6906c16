"""Quantisers choose, follow and look up codes as NumPy would, and gradients pass them as their equations say."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads
from scipy import special, stats

import ae_jax
from ae_jax.errors import InvalidInput
from ae_jax.networks import functional
from ae_jax.objectives import (
    EntropyQuantized,
    FiniteScalar,
    LookupFree,
    Quantized,
    ResidualQuantizer,
    SimVectorQuantizer,
    VectorQuantized,
    VectorQuantizer,
)
from ae_jax.objectives.code_priors import CodePrior
from ae_jax.objectives.codebooks import rotated
from ae_jax.objectives.quantisers import perplexity
from ae_jax.priors import StandardNormal
from ae_jax.types import Batch

NEVER = 1e12


def part_of(quantizer, code=(6,)):
    return quantizer(None, (8,), code, nnx.Rngs(0))


def codebook_of(codes=5, size=3, **switches):
    return part_of(VectorQuantizer(codes=codes, size=size, **switches), (2 * size,))


def nearest(vectors, codes):
    return np.array([np.argmin([np.sum((vector - code) ** 2) for code in codes]) for vector in vectors])


def of_vectors(gradient, vectors):
    """The gradient of vectors, given that of vectors of norm one: by the Jacobian (I - u u^T) / |v|."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / norms
    return (gradient - np.sum(gradient * units, axis=1, keepdims=True) * units) / norms


@pytest.mark.parametrize("shape", [(7, 6), (4, 2, 3, 6)])
def test_each_vector_becomes_its_nearest_code(shape):
    book = part_of(VectorQuantizer(codes=5, size=3), shape[1:])
    code = jax.random.normal(jax.random.key(0), shape)
    codes = np.asarray(book.vectors[...])
    numbers = nearest(np.asarray(code).reshape(-1, 3), codes)
    np.testing.assert_array_equal(book.indices(code), numbers.reshape(*shape[:-1], 2, 1))
    np.testing.assert_array_equal(book(code), codes[numbers].reshape(shape))


def test_cosine_codes_are_nearest_by_angle_and_have_norm_one():
    book = codebook_of(cosine=True)
    code, weights = jax.random.normal(jax.random.key(0), (2, 7, 6))
    codes, vectors = np.array(book.vectors[...]), np.asarray(code).reshape(-1, 3)
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    numbers = np.argmax(vectors / np.linalg.norm(vectors, axis=1, keepdims=True) @ codes.T, axis=1)
    np.testing.assert_allclose(book(code), codes[numbers].reshape(7, 6), rtol=1e-5)
    gradient = jax.grad(lambda z: jnp.sum(weights * book(z)))(code)
    expected = of_vectors(np.asarray(weights).reshape(-1, 3), vectors)
    np.testing.assert_allclose(gradient.reshape(-1, 3), expected, rtol=1e-4, atol=1e-6)


PARTS = {
    "vq": VectorQuantizer(codes=5, size=3),
    "cosine": VectorQuantizer(codes=5, size=3, cosine=True),
    "sim": SimVectorQuantizer(codes=5, size=3),
    "residual": ResidualQuantizer(books=2, book=VectorQuantizer(codes=5, size=3)),
    "fsq": FiniteScalar(levels=(3, 4, 2)),
    "lfq": LookupFree(size=3),
}


@pytest.mark.parametrize("quantizer", PARTS.values(), ids=PARTS)
def test_indices_stand_for_the_quantised_code(quantizer):
    part = part_of(quantizer)
    code = jax.random.normal(jax.random.key(0), (7, 6))
    indices = part.indices(code)
    assert indices.shape == (7, 2, quantizer.books)
    assert indices.size // 7 == quantizer.indices_of((6,))
    np.testing.assert_allclose(part.lookup(indices.reshape(7, -1)), part(code), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["vq", "sim", "residual", "lfq"])
def test_the_gradient_of_the_quantised_code_is_that_of_the_code(name):
    part = part_of(PARTS[name])
    code, weights = jax.random.normal(jax.random.key(0), (2, 7, 6))
    np.testing.assert_array_equal(jax.grad(lambda z: jnp.sum(weights * part(z)))(code), weights)


def test_the_rotation_is_householders_and_so_is_its_gradient():
    vectors, chosen, weights = jax.random.normal(jax.random.key(0), (3, 7, 4))
    gradient = jax.grad(lambda e: jnp.sum(weights * rotated(e, chosen)))(vectors)
    for e, q, g, pulled in zip(*map(np.asarray, (vectors, chosen, weights, gradient)), strict=True):
        e_unit, q_unit = e / np.linalg.norm(e), q / np.linalg.norm(q)
        r = (e_unit + q_unit) / np.linalg.norm(e_unit + q_unit)
        rotation = np.eye(4) - 2 * np.outer(r, r) + 2 * np.outer(q_unit, e_unit)
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(4), atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(q) / np.linalg.norm(e) * rotation @ e, q, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(pulled, np.linalg.norm(q) / np.linalg.norm(e) * rotation.T @ g, rtol=1e-3, atol=1e-4)
    code = vectors[:6].reshape(3, 8)
    np.testing.assert_array_equal(codebook_of(size=4, rotation=True)(code), codebook_of(size=4)(code))
    assert np.isfinite(jax.grad(lambda e: jnp.sum(rotated(e, -e)))(vectors)).all()  # opposite: no rotation is least


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


@pytest.mark.parametrize("kind", ["codebook", "cosine", "sim"])
def test_losses_and_their_gradients_equal_numpy(kind):
    book = part_of(PARTS["sim"]) if kind == "sim" else codebook_of(trained=True, cosine=kind == "cosine")
    book.eval()
    graph, params, rest = nnx.split(book, nnx.Param, ...)
    code = jax.random.normal(jax.random.key(1), (7, 6))

    def losses_of(params, code):
        return nnx.merge(graph, params, rest).update(jax.random.key(0), code, None, None)

    given = np.asarray(book.vectors[...], np.float64), np.asarray(code).reshape(-1, 3)
    fixed, vectors = (one / np.linalg.norm(one, axis=1, keepdims=True) if kind == "cosine" else one for one in given)
    numbers = nearest(vectors, fixed)  # the map of "sim" is the identity
    difference = vectors - fixed[numbers]
    of_codes, of_code = np.zeros_like(fixed), 2 * difference / len(code)
    np.add.at(of_codes, numbers, -of_code)
    if kind == "cosine":
        of_codes, of_code = (of_vectors(*each) for each in zip((of_codes, of_code), given, strict=True))
    commitment, codebook = (
        jax.grad(lambda *given, name=name: losses_of(*given)[name], argnums=(0, 1))(params, code)
        for name in ("commitment", "codebook")
    )
    for value in losses_of(params, code).values():
        np.testing.assert_allclose(value, np.sum(difference**2) / len(code), rtol=1e-5)
    np.testing.assert_allclose(commitment[1], of_code.reshape(7, 6), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(codebook[1], 0 * code)
    name, expected = ("map", fixed.T @ of_codes) if kind == "sim" else ("vectors", of_codes)
    np.testing.assert_array_equal(commitment[0][name][...], 0 * expected)
    np.testing.assert_allclose(codebook[0][name][...], expected, rtol=1e-4, atol=1e-5)


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
    objective = VectorQuantized(
        quantizer=VectorQuantizer(codes=40, size=3, trained=True), decay=None, dead_after=1, prior_units=2
    )
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


def test_residual_codes_are_sums_of_what_is_nearest_to_the_rest():
    part = part_of(PARTS["residual"])
    code = jax.random.normal(jax.random.key(1), (7, 6))
    first, second = (np.asarray(level.vectors[...]) for level in part.levels)
    vectors = np.asarray(code).reshape(-1, 3)
    one = nearest(vectors, first)
    two = nearest(vectors - first[one], second)
    np.testing.assert_array_equal(part.indices(code).reshape(-1, 2), np.stack([one, two], axis=1))
    np.testing.assert_allclose(part(code).reshape(-1, 3), first[one] + second[two], rtol=1e-5, atol=1e-6)
    left = np.sum((vectors - first[one]) ** 2) + np.sum((vectors - first[one] - second[two]) ** 2)
    terms = part.update(jax.random.key(0), code, 0.9, NEVER)
    np.testing.assert_allclose(terms["commitment"], left / 7, rtol=1e-5)
    counts = np.bincount(two, minlength=5)
    np.testing.assert_allclose(part.levels[1].counts[...], 0.9 + 0.1 * counts, rtol=1e-5)


def test_each_codebook_in_a_row_pulls_the_code():
    part = part_of(PARTS["residual"])
    part.eval()
    code = jax.random.normal(jax.random.key(1), (7, 6))
    gradient = jax.grad(lambda z: part.update(jax.random.key(0), z, 0.9, None)["commitment"])(code)
    first, second = (np.asarray(level.vectors[...]) for level in part.levels)
    vectors = np.asarray(code).reshape(-1, 3)
    left = vectors - first[nearest(vectors, first)]
    expected = 2 * (left + left - second[nearest(left, second)]) / 7
    np.testing.assert_allclose(gradient.reshape(-1, 3), expected, rtol=1e-4, atol=1e-6)


def test_residual_codebooks_start_at_centres_of_what_is_left_for_them():
    part = part_of(ResidualQuantizer(books=2, book=VectorQuantizer(codes=5, size=3, k_means=True)))
    left = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    part.start_from(left)
    for level in part.levels:
        codes, vectors = np.asarray(level.vectors[...]), left.reshape(-1, 3)
        chosen = nearest(vectors, codes)
        centres = np.stack([vectors[chosen == k].mean(axis=0) for k in range(5)])
        np.testing.assert_allclose(codes, centres, atol=0.05)  # after 20 iterations at most
        left = vectors - codes[chosen]
    with pytest.raises(InvalidInput, match="codes=5 and k_means=True: expected at most 2"):
        part.start_from(np.ones((1, 6), np.float32) * [1, 1, 1, 2, 2, 2])


@pytest.mark.parametrize("levels", [(3, 4, 2), (8, 5, 5), (2, 2, 2)])
def test_finite_scalars_are_bounded_and_indexed_one_to_one(levels):
    part = part_of(FiniteScalar(levels=levels), (3,))
    code = 4.0 * jax.random.normal(jax.random.key(0), (400, 3))
    sizes = np.array(levels)
    half = (sizes - 1) * (1 - 1e-3) / 2
    offset = np.where(sizes % 2 == 0, 0.5, 0.0)
    shift = np.where(sizes == 2, 0.0, np.arctanh(np.minimum(offset / half, 0.99)))
    bounded = np.tanh(np.asarray(code, np.float64) + shift) * half - offset
    np.testing.assert_allclose(part(code), np.round(bounded) / (sizes // 2), atol=1e-6)
    assert all(len(np.unique(np.asarray(part(code))[:, unit])) == sizes[unit] for unit in range(3))
    table = np.asarray(part.lookup(jnp.arange(np.prod(sizes))))
    assert len(np.unique(table, axis=0)) == np.prod(sizes)
    digits = table * (sizes // 2) + sizes // 2
    np.testing.assert_array_equal(digits @ np.cumprod([1, *levels[:-1]]), np.arange(np.prod(sizes)))
    gradient = jax.grad(lambda z: jnp.sum(part(z)))(code)
    slope = (1 - np.tanh(np.asarray(code, np.float64) + shift) ** 2) * half / (sizes // 2)
    np.testing.assert_allclose(gradient, slope, rtol=1e-3, atol=1e-5)


def test_signs_and_their_entropies_equal_sums_over_all_codes():
    part, temperature = part_of(LookupFree(size=3)), 2.0
    code = jax.random.normal(jax.random.key(0), (7, 6))
    np.testing.assert_array_equal(part(code), np.where(np.asarray(code) > 0, 1.0, -1.0))
    table = np.array([[(k >> bit & 1) * 2 - 1 for bit in range(3)] for k in range(8)])
    vectors = np.asarray(code, np.float64).reshape(7, 2, 3)
    soft = special.softmax(-np.sum((vectors[:, :, None] - table) ** 2, axis=-1) / temperature, axis=-1)
    certain, diverse = part.entropies(code, temperature)
    np.testing.assert_allclose(certain, stats.entropy(soft, axis=-1).sum(axis=1).mean(), rtol=1e-4)
    np.testing.assert_allclose(diverse, stats.entropy(soft.mean(axis=0), axis=-1).sum(), rtol=1e-4)


def test_the_terms_of_signs_have_the_gradients_of_their_equations(x64):
    quantizer = LookupFree(size=3)
    objective = EntropyQuantized(quantizer=quantizer, beta=0.3, entropy=0.2, diversity=0.7, temperature=2.0)
    part, code = part_of(quantizer), jax.random.normal(jax.random.key(0), (7, 6))

    def term(name):
        return lambda z: objective.terms(part, jax.random.key(1), z)[name][1]

    difference = np.asarray(code) - np.where(np.asarray(code) > 0, 1.0, -1.0)
    value, gradient = jax.value_and_grad(term("commitment"))(code)
    np.testing.assert_allclose(value, np.sum(difference**2) / 7, rtol=1e-9)
    np.testing.assert_allclose(gradient, 2 * difference / 7, rtol=1e-9)
    certain, diverse = part.entropies(code, 2.0)
    np.testing.assert_allclose(term("entropy")(code), certain - 0.7 * diverse, rtol=1e-9)
    check_grads(jax.jit(term("entropy")), (code,), order=1, modes=["rev"], rtol=1e-5, atol=1e-6, eps=1e-5)
    weights = {name: weight for name, (weight, _) in objective.terms(part, jax.random.key(1), code).items()}
    assert weights == {"commitment": 0.3, "entropy": 0.2}


@pytest.mark.parametrize("use", [[1.0, 2.0, 3.0], [4.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
def test_perplexity_is_the_exponential_of_the_entropy(use):
    np.testing.assert_allclose(perplexity(jnp.array(use)), np.exp(stats.entropy(use)), rtol=1e-6)


def test_the_prior_s_log_probability_equals_its_equation():
    prior = CodePrior(quantizer=LookupFree(size=2), units=3)(None, (8,), (6,), nnx.Rngs(0))
    prior.input_bias[...], prior.output_bias[...] = jnp.array([0.5, -1.0, 0.2]), jnp.arange(12.0).reshape(3, 4) / 9
    weights = (prior.inputs, prior.outputs, prior.input_bias, prior.output_bias)
    inputs, outputs, input_bias, output_bias = (np.asarray(each[...]) for each in weights)
    numbers = np.array([[0, 3, 1], [2, 2, 0]])
    expected = np.zeros(2)
    for row, place in np.ndindex(2, 3):
        hidden = input_bias + sum(inputs[before, numbers[row, before]] for before in range(place))
        logits = jax.nn.gelu(hidden) @ outputs[place] + output_bias[place]
        expected[row] += special.log_softmax(logits)[numbers[row, place]]
    np.testing.assert_allclose(prior.log_prob(jnp.asarray(numbers)), expected, rtol=1e-5)


def test_the_prior_sums_to_one_and_draws_what_it_says():
    prior = CodePrior(quantizer=LookupFree(size=2), units=3)(None, (8,), (6,), nnx.Rngs(0))
    prior.inputs[...], prior.outputs[...] = 3 * prior.inputs[...], 5 * prior.outputs[...]
    every = jnp.stack(jnp.meshgrid(*[jnp.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    probability = np.exp(np.asarray(prior.log_prob(every), np.float64))
    np.testing.assert_allclose(probability.sum(), 1.0, rtol=1e-5)
    drawn = np.asarray(jax.jit(prior.sample, static_argnums=1)(jax.random.key(0), 20_000))
    counts = np.bincount(drawn @ np.array([16, 4, 1]), minlength=64)
    assert stats.chisquare(counts, probability / probability.sum() * len(drawn)).pvalue > 1e-3


def test_refusals_are_sentences(small):
    with pytest.raises(InvalidInput, match=r"levels=\(8, 1\): expected two or more"):
        FiniteScalar(levels=(8, 1))
    with pytest.raises(InvalidInput, match="size=17: expected at most 16 bits"):
        LookupFree(size=17)
    for make in (ae_jax.vq(size=3), ae_jax.fsq(levels=(4, 4, 4)), ae_jax.lfq(size=5), ae_jax.residual_vq(size=3)):
        with pytest.raises(InvalidInput, match="expected a divisor of the code's last axis"):
            ae_jax.fit(make, small, epochs=1)
    with pytest.raises(InvalidInput, match=r"decay=1\.0: expected a number between 0 and 1"):
        ae_jax.vq(decay=1.0)
    with pytest.raises(InvalidInput, match="decay=None: expected a number, or a quantiser with trained=True"):
        VectorQuantized(decay=None)
    with pytest.raises(InvalidInput, match="expected a quantiser, such as"):
        Quantized(quantizer=StandardNormal())
    with pytest.raises(InvalidInput, match="temperature=0: expected a number above zero"):
        EntropyQuantized(temperature=0)
    with pytest.raises(InvalidInput, match=r"codes=65 and k_means=True: expected at most 64, the number of different"):
        ae_jax.fit(ae_jax.vq(code=2, hidden=(), codes=65, k_means=True), small, epochs=1)
