import jax
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.training import Classifier

CLASSES = np.array(["cat", "dog", "eel"])


@pytest.fixture
def classifier(run) -> Classifier:
    """A softmax layer by which the class is that of the largest unit of the code."""
    head = {"kernel": np.eye(3, dtype=np.float32)[None], "bias": np.zeros((1, 3), np.float32)}
    return Classifier(
        run=run, head=head, classes=CLASSES, history={}, best_epoch=np.array([1]), finite=np.array([True])
    )


def test_classes_are_told_by_the_code(classifier, run, small):
    codes = run.encode(small.test.x)
    np.testing.assert_allclose(classifier.probabilities(small.test.x), jax.nn.softmax(codes), rtol=1e-5)
    np.testing.assert_array_equal(classifier.predict(small.test.x), CLASSES[codes.argmax(axis=1)])


def test_the_error_is_the_fraction_of_other_classes(classifier, small):
    labels = classifier.predict(small.test.x)
    assert classifier.error(small.test.x, labels) == 0
    labels[:5] = "fox"
    assert classifier.error(small.test.x, labels) == 5 / 20
    assert classifier.error(small.test.x, np.arange(20)) == 1


def test_every_member_has_its_own(population, small):
    rng = np.random.default_rng(0)
    head = {"kernel": rng.normal(size=(4, 3, 3)).astype(np.float32), "bias": rng.normal(size=(4, 3)).astype(np.float32)}
    classifier = Classifier(
        run=population, head=head, classes=CLASSES, history={}, best_epoch=np.ones(4), finite=np.ones(4, bool)
    )
    logits = population.encode(small.test.x) @ head["kernel"] + head["bias"][:, None]
    np.testing.assert_array_equal(classifier.predict(small.test.x), CLASSES[logits.argmax(axis=-1)])
    assert classifier.error(small.test.x, np.repeat("cat", 20)).shape == (4,)


def test_other_data_and_other_numbers_of_labels_are_refused(classifier, small):
    with pytest.raises(InvalidInput, match="as the autoencoder was trained on"):
        classifier.predict(np.zeros((4, 7, 7), np.uint8))
    with pytest.raises(InvalidInput, match="expected one label for each example"):
        classifier.error(small.test.x, [1, 2, 3])


def test_it_says_what_it_is(classifier):
    assert repr(classifier) == "Classifier(undercomplete, classes=3, best_epoch=[1])"
