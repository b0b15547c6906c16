"""Every question that the data allow, and sentences where they do not fit the run."""

import dataclasses

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data import Scaling, from_splits
from ae_jax.evaluation import evaluate, evaluate_pca, jacobian_norm, negative_elbo
from ae_jax.evaluation.representation import label_accuracies

ACCURACIES = {"linear_probe_accuracy", "knn_accuracy"}
CODES = np.array([[0.0], [0.1], [0.2], [1.0], [1.1], [1.2]])
CLASSES = np.array([0, 0, 0, 1, 1, 1])


def relabelled(dataset, labels):
    """The data set with other labels of its training and test split, made of those that it has."""
    train, test = (split._replace(labels=labels(split.labels)) for split in (dataset.train, dataset.test))
    return dataclasses.replace(dataset, train=train, test=test)


def metrics(rows) -> set[str]:
    return {row["metric"] for row in rows}


@pytest.mark.parametrize("labels", [CLASSES, CLASSES.astype(float), CLASSES.astype(bool), CLASSES.astype(str)])
def test_classes_are_asked_for(labels):
    values = label_accuracies(CODES, labels, CODES, labels)
    assert values.keys() == ACCURACIES
    assert values["linear_probe_accuracy"] == 1.0


def test_classes_of_objects_are_asked_for():
    labels = np.array(["cat", "dog"], object)[CLASSES]
    assert label_accuracies(CODES, labels, CODES, labels).keys() == ACCURACIES


@pytest.mark.parametrize(
    ("train", "labels"),
    [
        (None, CLASSES),
        (CLASSES, None),
        (CLASSES + 0.5, CLASSES),
        (CLASSES, CLASSES + 0.5),
        (CLASSES / 0.3, CLASSES / 0.3),
        (np.array([0, 0, 0, 1, 1, np.inf]), CLASSES),
        (np.zeros(6, int), CLASSES),
        (CLASSES.astype(str), CLASSES),
        (CLASSES.astype("S1"), CLASSES),
        (CLASSES.astype("datetime64[D]"), CLASSES.astype("datetime64[D]")),
    ],
)
def test_labels_that_allow_no_question_are_left_out(train, labels):
    assert label_accuracies(CODES, train, CODES, labels) == {}


def test_fewer_training_rows_than_neighbours_are_left_out():
    assert label_accuracies(CODES[1:], CLASSES[1:], CODES, CLASSES).keys() == ACCURACIES
    assert label_accuracies(CODES[2:], CLASSES[2:], CODES, CLASSES) == {}


@pytest.mark.parametrize("labels", [lambda known: known / 3, lambda known: np.zeros(len(known), int)])
def test_the_other_questions_are_asked_where_labels_are_no_classes(run, small, labels):
    other = relabelled(small, labels)
    assert metrics(evaluate(run, small)) - metrics(evaluate(run, other)) == ACCURACIES
    assert metrics(evaluate_pca(small, code=3)) - metrics(evaluate_pca(other, code=3)) == ACCURACIES


def test_data_of_another_shape_are_refused(run, population, small):
    flat = from_splits(small.train.x.reshape(-1, 64), name="flat", scaling=small.scaling)
    sentence = r"the train split of flat has shape \(64, 64\): expected \[examples, 8, 8\], as the autoencoder was"
    with pytest.raises(InvalidInput, match=sentence):
        evaluate(run, flat, split="train")
    for question, of in ((jacobian_norm, run), (negative_elbo, population)):
        with pytest.raises(InvalidInput, match=r"data has shape \(64, 64\): expected \[examples, 8, 8\]"):
            question(of, flat.train.x)
        with pytest.raises(InvalidInput, match="data has 1 NaN or infinite values"):
            question(of, np.where(np.arange(64).reshape(1, 8, 8) == 9, np.nan, 0.0))


def test_examples_may_be_lists(run, population, small):
    x = small.test.x[:2]
    np.testing.assert_array_equal(jacobian_norm(run, x.tolist()), jacobian_norm(run, x))
    lists, arrays = (negative_elbo(population, given)["kl"] for given in (x.tolist(), x))
    np.testing.assert_array_equal(lists, arrays)


def test_data_of_another_scaling_are_refused(run, small):
    with pytest.raises(
        InvalidInput,
        match=r"small has Scaling\(offset=0.0, scale=255.0\) and the run Scaling\(.*scale=16.0\): .*units trained on; "
        "give the data set the scaling of the run",
    ):
        evaluate(run, dataclasses.replace(small, scaling=Scaling(scale=255.0)))
    assert evaluate(run, dataclasses.replace(small, scaling=Scaling(scale=np.float32(16))))
