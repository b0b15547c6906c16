"""What :mod:`ae_jax.data.splits` draws beyond what tests of data sets ask of it."""

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data.splits import balanced_rows

LABELS = np.array(list("abbbbbccccccccc"))


@pytest.mark.parametrize(
    ("count", "expected"), [(3, [1, 1, 1]), (4, [1, 2, 1]), (5, [1, 2, 2]), (11, [1, 5, 5]), (15, [1, 5, 9])]
)
def test_a_few_rows_are_balanced_over_classes_as_far_as_these_go(count, expected):
    rows = balanced_rows(LABELS, count, seed=7)
    assert len(set(rows.tolist())) == count
    assert [int((LABELS[rows] == label).sum()) for label in "abc"] == expected
    np.testing.assert_array_equal(rows, np.sort(rows))


def test_rows_are_drawn_by_the_seed_and_fewer_are_among_more():
    few, again, more = (set(balanced_rows(LABELS, count, seed=3).tolist()) for count in (5, 5, 9))
    assert few == again
    assert few < more
    assert len({tuple(balanced_rows(LABELS, 5, seed=seed).tolist()) for seed in range(10)}) > 5


@pytest.mark.parametrize("count", [2, 16])
def test_fewer_labels_than_classes_and_more_than_examples_are_refused(count):
    with pytest.raises(InvalidInput, match=f"{count} labels were asked for, of 15 examples in 3 classes: expected at"):
        balanced_rows(LABELS, count, seed=0)
