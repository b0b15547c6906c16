import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.objectives import Classification
from ae_jax.training import Classifier, stack

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
