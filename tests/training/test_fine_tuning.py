import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import ae_jax
from ae_jax import Autoencoder, InvalidInput, Optimizer
from ae_jax.data import ReadOptions, from_splits
from ae_jax.data.splits import balanced_rows
from ae_jax.networks import MLP
from ae_jax.objectives import Classification, Reconstruction
from ae_jax.training import Classifier, fine_tune, stack, untrained

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5)).astype(np.float32)
Y = np.arange(12) % 3
SIGMOID = Autoencoder(
    name="sigmoid", networks=MLP(hidden=(), code=4, code_activation="sigmoid", tied=True), objective=Reconstruction()
)
STEEP = Optimizer(rule="sgd", learning_rate=0.5)


def test_three_steps_of_gradient_descent_are_those_of_numpy():
    run = untrained(SIGMOID, X, seeds=3)
    classifier = fine_tune(run, from_splits((X, Y)), epochs=3, batch_size=12, optimizer=STEEP)
    kernel, bias = (np.asarray(run.params["networks"]["encoder"][0][name][0], float) for name in ("kernel", "bias"))
    weights, offset = np.zeros((4, 3)), np.zeros(3)
    nll = []
    for _ in range(3):
        code = special.expit(X @ kernel + bias)
        logits = code @ weights + offset
        nll.append(-special.log_softmax(logits, axis=1)[np.arange(12), Y].mean())
        slope = (special.softmax(logits, axis=1) - np.eye(3)[Y]) / 12
        back = (slope @ weights.T) * code * (1 - code)
        weights, offset = weights - 0.5 * code.T @ slope, offset - 0.5 * slope.sum(axis=0)
        kernel, bias = kernel - 0.5 * X.T @ back, bias - 0.5 * back.sum(axis=0)
    tuned, head = (classifier.run.params[part] for part in ("networks", "head"))
    np.testing.assert_allclose(classifier.run.history["train"]["categorical_nll"][0], nll, rtol=1e-5)
    np.testing.assert_allclose(head["kernel"][0], weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(head["bias"][0], offset, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(tuned["encoder"][0]["kernel"][0], kernel, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tuned["encoder"][0]["bias"][0], bias, rtol=1e-4, atol=1e-6)
    assert classifier.run.best_epoch.tolist() == [3]  # the latest, as nothing is held out


def test_the_run_and_what_has_no_gradient_stay_as_they_are(run, small):
    before = jax.tree.map(np.array, run.params)
    classifier = fine_tune(run, small, epochs=3, batch_size=16)
    after = classifier.run.params["networks"]
    for name, same in (("encoder", False), ("decoder", True)):
        for ours, theirs in zip(*(jax.tree.leaves(p[name]) for p in (after, before["networks"])), strict=True):
            assert (ours == theirs).all() == same
    jax.tree.map(np.testing.assert_array_equal, run.params, before)


def test_a_member_equals_itself_alone(population, small):
    labels = {"epochs": 3, "batch_size": 7, "labels": 30}
    together = fine_tune(population, small, **labels)
    assert together.run.history["validation"]["error"].shape == (4, 3)
    for member in (0, 3):
        alone = fine_tune(population[member], small, **labels)
        for split, terms in alone.run.history.items():
            for term, values in terms.items():
                np.testing.assert_allclose(together.run.history[split][term][member], values[0], rtol=1e-4, atol=1e-6)
        found = alone.probabilities(small.test.x)
        np.testing.assert_allclose(together.probabilities(small.test.x)[member], found, rtol=1e-4, atol=1e-6)
    drawn = together.run.history["train"]["error"]
    assert not np.array_equal(drawn[0], drawn[1])  # of another seed
    assert together.error(small.test.x, small.test.labels).shape == (4,)


def test_the_epoch_of_the_lowest_validation_error_is_kept(run, small):
    jumping = Optimizer(learning_rate=0.1)
    classifier = fine_tune(run, small, epochs=12, batch_size=8, optimizer=jumping)
    errors = classifier.run.history["validation"]["error"][0]
    assert errors.argmin() < 11  # else the latest would do
    assert classifier.run.best_epoch.tolist() == [errors.argmin() + 1]
    found = classifier.error(small.validation.x, small.validation.labels)
    np.testing.assert_allclose(found, errors.min(), rtol=1e-6)


def test_a_few_labels_are_all_that_is_learned_from():
    run = untrained(SIGMOID, X, seeds=3)
    rows = balanced_rows(Y, 7, seed=3)
    few = fine_tune(run, from_splits((X, Y)), epochs=2, batch_size=3, labels=7)
    cut = fine_tune(run, from_splits((X[rows], Y[rows])), epochs=2, batch_size=3)
    np.testing.assert_allclose(few.probabilities(X), cut.probabilities(X), rtol=1e-5)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("data", "options", "sentence"),
    [
        (from_splits(X), {}, "splits has no labels: expected the class of each example"),
        (from_splits((X, Y * 0)), {}, "splits has labels of fewer than two classes"),
        (from_splits((X, Y), validation=(X[:1], [7])), {}, "7"),
        (from_splits((X, Y)), {"patience": 2}, "patience=2 and no validation split: expected one to judge by"),
        (from_splits((X, Y)), {"labels": 2}, "2 labels were asked for, of 12 examples in 3 classes"),
        (from_splits((X, Y)), {"labels": 2.5}, "fine_tune was given labels=2.5: expected a whole number above zero"),
        (from_splits((X[:, :4], Y)), {}, r"the train split of splits has shape \(12, 4\): expected \[examples, 5\]"),
        (from_splits((X, Y)), {"optimizer": "sgd"}, "given optimizer='sgd': expected an Optimizer"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(data, options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        fine_tune(untrained(SIGMOID, X), data, **options)


def test_a_conditional_run_is_refused():
    networks = MLP(hidden=(), code=2, condition=3)
    mine = Autoencoder(name="mine", networks=networks, objective=Reconstruction())
    with pytest.raises(InvalidInput, match="mine is conditional: expected a run whose encoder sees the examples alone"):
        fine_tune(untrained(mine, from_splits((X, Y))), from_splits((X, Y)))


def test_streamed_data_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", X)
    data = ae_jax.data.load(str(tmp_path / "x.npy"), reading=ReadOptions(budget=200))
    with pytest.raises(InvalidInput, match="x is streamed: expected data in memory"):
        fine_tune(untrained(SIGMOID, X), data)


CLASSES = ("cat", "dog", "eel")


def classifier_of(run, kernel) -> Classifier:
    """A classifier by given softmax layers, ``[members, code, classes]``."""
    head = {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.zeros((len(run), 3))}
    members = [dataclasses.replace(member, objective=Classification(classes=3)) for member in run.members]
    params = {"networks": run.params["networks"], "head": head}
    return Classifier(run=dataclasses.replace(run, autoencoder=stack(members), params=params), classes=CLASSES)


@pytest.fixture(scope="module")
def classifier(run) -> Classifier:
    """The class is that of the largest unit of the code."""
    return classifier_of(run, np.eye(3)[None])


def test_classes_are_told_by_the_code(classifier, run, small):
    codes = run.encode(small.test.x)
    np.testing.assert_allclose(classifier.probabilities(small.test.x), jax.nn.softmax(codes), rtol=1e-5)
    np.testing.assert_array_equal(classifier.predict(small.test.x), np.array(CLASSES)[codes.argmax(axis=1)])


def test_the_error_is_the_fraction_of_other_classes(classifier, small):
    labels = classifier.predict(small.test.x)
    assert classifier.error(small.test.x, labels) == 0
    labels[:5] = "fox"
    assert classifier.error(small.test.x, labels) == 5 / 20


def test_other_data_and_other_numbers_of_labels_are_refused(classifier, small):
    with pytest.raises(InvalidInput, match=r"has shape \(4, 7, 7\)"):
        classifier.predict(np.zeros((4, 7, 7), np.uint8))
    with pytest.raises(InvalidInput, match="expected one label for each example"):
        classifier.error(small.test.x, ["cat", "dog", "eel"])
