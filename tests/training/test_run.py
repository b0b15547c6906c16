import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO
from ae_jax.schedules import Linear
from ae_jax.training import stack
from ae_jax.training.population import swept_values


def bound(run: Run, member: int = 0):
    return run.members[member].bind(run.shape, jax.tree.map(lambda leaf: leaf[member], run.params))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 17, size=(count, 8, 8)).astype(np.uint8)


def in_model_units(stored: np.ndarray) -> jax.Array:
    return jnp.asarray(stored, jnp.float32) / 16


@pytest.fixture
def folder(run, tmp_path):
    return run.save(tmp_path / "run")


@pytest.mark.parametrize("count", [1, 17, 1025])
def test_codes_are_those_of_the_networks_whatever_the_padding(run, count):
    x = images(count)
    codes = run.encode(x)
    assert codes.shape == (count, 3)
    assert isinstance(codes, np.ndarray)
    np.testing.assert_allclose(codes, bound(run).encode(in_model_units(x)), rtol=1e-4, atol=1e-6)


def test_codes_of_a_stochastic_encoder_are_its_means(population):
    codes = population.encode(images(5))
    assert codes.shape == (4, 5, 3)
    for member in range(4):
        posterior = bound(population, member).encode(in_model_units(images(5)))
        np.testing.assert_allclose(codes[member], posterior.mean, rtol=1e-4, atol=1e-6)


def test_reconstructions_are_decoded_codes_in_the_units_of_the_data(run, population):
    x = images(5)
    expected = 16 * bound(run).decode(bound(run).encode(in_model_units(x)))
    np.testing.assert_allclose(run.reconstruct(x), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(run.decode(run.encode(x)), run.reconstruct(x), rtol=1e-4, atol=1e-4)
    # Bernoulli outputs are log-odds, reconstructions their probabilities times 16.
    reconstructions = population.reconstruct(x)
    assert reconstructions.shape == (4, 5, 8, 8)
    assert reconstructions.min() > 0
    assert reconstructions.max() < 16
    model = bound(population, 2)
    logits = model.decode(model.encode(in_model_units(x)).mean)
    np.testing.assert_allclose(reconstructions[2], 16 / (1 + np.exp(-logits)), rtol=1e-4)


def test_samples_are_decoded_draws_from_the_prior(population):
    samples = population.sample(7, seed=3)
    assert samples.shape == (4, 7, 8, 8)
    for member, seed in enumerate(population.seeds):  # members of one seed draw alike, those of another do not
        latents = jax.random.normal(jax.random.fold_in(jax.random.key(3), seed), (7, 3))
        np.testing.assert_allclose(samples[member], population[member].decode(np.asarray(latents)), rtol=1e-6)
    assert not np.array_equal(samples, population.sample(7, seed=4))


def test_a_function_gets_each_member_s_own_arrays(run, population):
    def moved(autoencoder, model, scaling, own, stored):
        return own["factor"] * model.encode(scaling(stored)).mean + own["shift"][None]

    own = {"factor": np.arange(1.0, 5.0, dtype=np.float32), "shift": np.arange(12, dtype=np.float32).reshape(4, 3)}
    # Two chunks, the second of which is padded.
    x = images(1030)
    result = population.apply(moved, x, per_member=own)
    expected = own["factor"][:, None, None] * population.encode(x) + own["shift"][:, None, :]
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    alone = population[2].apply(moved, x[:5], per_member=jax.tree.map(lambda leaf: leaf[2:3], own))
    np.testing.assert_allclose(alone, expected[2, :5], rtol=1e-5, atol=1e-5)


def test_a_member_is_a_single_run(population):
    x = images(5)
    for member in (0, 3, -1):
        one = population[member]
        assert len(one) == 1
        assert one.seeds[0] == population.seeds[member]
        assert one.single
        assert one.members == [population.members[member]]
        np.testing.assert_allclose(one.encode(x), population.encode(x)[member], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(one.history["train"]["kl"][0], population.history["train"]["kl"][member])
    for member in (4, -5):
        with pytest.raises(IndexError, match=f"the run has 4 members: there is no member {member}"):
            population[member]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (lambda run: run.encode(np.ones((5, 64))), r"data has shape \(5, 64\): expected \[examples, 8, 8\]"),
        (lambda run: run.encode(np.ones(8)), r"data has shape \(8,\): expected \[examples, \*features\]"),
        (lambda run: run.encode(np.ones((0, 8, 8))), "data is empty"),
        (lambda run: run.encode(np.full((2, 8, 8), np.nan)), r"data has 128 NaN .* first at index \(0, 0, 0\)"),
        (lambda run: run.encode([["a"]]), "data has type <U1: expected numbers"),
        (lambda run: run.encode(images(2), condition=[1, 2]), "was given a condition: expected none"),
        (lambda run: run.decode(np.ones((5, 4))), r"codes has shape \(5, 4\): expected \[examples, 3\]"),
        (lambda run: run.sample(3), "undercomplete has no prior to sample from: expected a variational autoencoder"),
        (lambda run: run.sample(0), "n=0: expected a whole number above zero"),
        (lambda run: run.sample(2.5), "n=2.5: expected a whole number above zero"),
        (lambda run: run.sample(2**31 - 1), "n=2,147,483,647: expected at most .*, which fit in memory"),
    ],
)
def test_uses_that_do_not_fit_are_refused(run, use, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        use(run)


@pytest.fixture(scope="module")
def conditional(small) -> Run:
    """Two members whose encoder and decoder are given the digit."""
    networks = MLP(hidden=(12,), code=3, stochastic=True, condition=10)
    choice = ae_jax.Autoencoder(name="conditional", networks=networks, objective=ELBO())
    return ae_jax.fit(choice, small, seeds=[5, 6], epochs=2, batch_size=16)


def test_a_conditional_run_uses_the_label_of_each_example(conditional, small):
    x, labels = small.test.x, np.asarray(small.test.labels)
    codes = conditional.encode(x, condition=labels)
    model = conditional.members[1].bind((8, 8), jax.tree.map(lambda leaf: leaf[1], conditional.params))
    expected = model.encode(in_model_units(x), jnp.asarray(labels)).mean
    np.testing.assert_allclose(codes[1], expected, rtol=1e-4, atol=1e-6)
    whole = conditional.reconstruct(x, condition=labels)
    assert whole.shape == (2, 20, 8, 8)
    np.testing.assert_allclose(conditional[1].decode(codes[1], condition=labels), whole[1], rtol=1e-4, atol=1e-4)


def test_samples_of_a_conditional_run_are_of_the_class_that_is_asked_for(conditional):
    ones, sevens = (conditional.sample(4, condition=label) for label in (1, 7))
    assert ones.shape == (2, 4, 8, 8)
    np.testing.assert_array_equal(ones, conditional.sample(4, condition=[1, 1, 1, 1]))
    assert not np.allclose(ones, sevens)


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (None, "conditional is conditional: expected condition="),
        ([1, 2], "expected one label for each example"),
        (11, "the condition 11 was not trained on: expected one of the classes"),
    ],
)
def test_a_condition_that_is_missing_of_another_length_or_unknown_is_refused(conditional, condition, sentence):
    for use in (conditional.encode, conditional.reconstruct):
        with pytest.raises(InvalidInput, match=sentence):
            use(images(5), condition=condition)
    for use, given in ((conditional.decode, np.ones((5, 3))), (conditional.sample, 5)):
        with pytest.raises(InvalidInput, match=sentence):
            use(given, condition=condition)


@pytest.mark.parametrize("name", ["run", "population"])
def test_a_saved_run_comes_back_bit_for_bit(name, request, tmp_path):
    run = request.getfixturevalue(name)
    back = ae_jax.load(run.save(tmp_path / "deep" / "er"))
    assert jax.tree.structure(back.params) == jax.tree.structure(run.params)
    for ours, theirs in zip(jax.tree.leaves(back.params), jax.tree.leaves(run.params), strict=True):
        assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()
    assert back.members == run.members
    assert back.single == run.single
    assert back.shape == run.shape
    assert back.settings == run.settings
    assert back.record == run.record
    assert back.scaling == run.scaling
    for field in ("seeds", "best_epoch", "finite"):
        np.testing.assert_array_equal(getattr(back, field), getattr(run, field))
    jax.tree.map(np.testing.assert_array_equal, back.history, run.history)
    np.testing.assert_array_equal(back.reconstruct(images(5)), run.reconstruct(images(5)))


def test_a_saved_configuration_is_json_that_a_person_can_read(run, folder):
    configuration = json.loads((folder / "configuration.json").read_text())
    [member] = configuration["members"]
    assert member["seed"] == 5
    assert member["autoencoder"]["networks"]["hidden"] == [12]
    assert member["autoencoder"]["optimizer"]["learning_rate"] == 1e-3  # and not 0.0010000000474974513
    assert configuration["settings"]["batch_size"] == 16
    assert configuration["data"]["shape"] == [8, 8]
    assert configuration["record"]["versions"]["jax"] == jax.__version__
    strict = json.loads((folder / "history.json").read_text(), parse_constant=pytest.fail)
    assert len(strict["train"]["loss"][0]) == 3


def test_a_run_shows_facts_and_last_metrics(population, run):
    html, text = population._repr_html_(), repr(population)
    assert f"kl {population.history['validation']['kl'][:, -1].mean():.4g}" in text
    for fact in ("learning_rate 0.001, 0.01 (seeds 5, 6)", f"{population.parameters:,}", "small (8, 8)"):
        assert (fact in html, fact in text) == (True, True)
    assert len(text.splitlines()) < 12
    named = dataclasses.replace(run, autoencoder=dataclasses.replace(run.autoencoder, name="<b>"), history={})
    assert "&lt;b&gt;" in named._repr_html_()
    assert "members     seed 5" in repr(named)


def test_a_history_is_a_tidy_frame(population):
    frame = population.to_frame()
    assert list(frame.columns) == ["autoencoder", "member", "seed", "learning_rate", "epoch", "split", "term", "value"]
    one = frame.query("learning_rate == 0.01 and seed == 6 and split == 'validation' and term == 'kl'")
    np.testing.assert_array_equal(one["value"], population.history["validation"]["kl"][3])
    assert one["epoch"].tolist() == [1, 2, 3]
    stopped = {"train": {"loss": np.array([[3.0, 2.0, np.nan]] * 4)}}
    assert dataclasses.replace(population, history=stopped).to_frame()["epoch"].max() == 2
    assert dataclasses.replace(population, history={}).to_frame().empty


def test_numbers_that_differ_have_the_shortest_names_that_differ():
    penalised = [ae_jax.contractive(weight=w, learning_rate=r) for w, r in ((0.1, 1e-3), (1.0, 1e-2))]
    assert swept_values(stack(penalised)) == {"weight": [0.1, 1.0], "learning_rate": [1e-3, 1e-2]}
    warm = [
        ae_jax.variational(beta=Linear(start=0.0, end=e, steps=9), learning_rate=Linear(start=e, end=e, steps=9))
        for e in (1.0, 2.0)
    ]
    assert list(swept_values(stack(warm))) == ["beta.end", "start", "learning_rate.end"]
    assert swept_values(stack(penalised[:1])) == {}
