"""Containers that the test environment has, and others by their attributes; tests/integrations has the real ones."""

import numpy as np
import pandas as pd
import pyarrow
import pytest
from scipy import sparse

from ae_jax import InvalidInput
from ae_jax.data import from_arrays
from ae_jax.data.containers import opened
from ae_jax.data.layout import channels_last

X = np.arange(12, dtype=np.float32).reshape(4, 3)


class Items:
    """A data set of PyTorch: a length and items."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, place):
        return self.items[place]


class Cells:
    """AnnData: a matrix with names of rows and columns, and a frame about the rows."""

    obs_names = pd.Index(list("pqrs"))
    obs = pd.DataFrame({"kind": ["t", "b", "t", "b"]}, index=obs_names)

    def to_df(self):
        return pd.DataFrame(X, columns=["g1", "g2", "g3"], index=self.obs_names)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.coo_array])
def test_sparse_matrices_become_dense(kind):
    np.testing.assert_array_equal(from_arrays(kind(X), validation=0.0, test=0.0).train.x, X)


def test_tables_of_arrow_are_read():
    table = pyarrow.table({"a": [1, 2], "y": ["cat", "dog"], "who": ["Ann", "Bob"]})
    for given in (table, table.to_batches()[0]):
        found, is_table = opened(given, "y", ids="who")
        assert (found.x.tolist(), found.labels.tolist()) == ([[1], [2]], ["cat", "dog"])
        assert (found.columns, found.ids.tolist(), is_table) == (("a",), ["Ann", "Bob"], True)


def test_an_anndata_gives_names_of_rows_and_columns():
    found = opened(Cells(), "kind").raw
    np.testing.assert_array_equal(found.x, X)
    assert (found.columns, found.ids.tolist(), found.labels.tolist()) == (
        ("g1", "g2", "g3"),
        list("pqrs"),
        list("tbtb"),
    )
    with pytest.raises(InvalidInput, match="unknown column of obs of data 'sort': Known are kind"):
        opened(Cells(), "sort")


def test_items_are_examples_or_pairs_with_labels():
    pairs = opened(Items([(row.reshape(3, 1), place % 2) for place, row in enumerate(X)])).raw
    assert (pairs.x.shape, pairs.labels.tolist()) == ((4, 3, 1), [0, 1, 0, 1])
    assert opened(Items(list(X)), labels=[1, 2, 3, 4]).raw.labels == [1, 2, 3, 4]
    with pytest.raises(InvalidInput, match=r"data has examples of the shapes \[\(2,\), \(3,\)\]: expected one shape"):
        opened(Items([X[0], X[0, :2]]))
    with pytest.raises(InvalidInput, match="data has items of 3 values: expected examples, or pairs"):
        opened(Items([(1, 2, 3)]))


def test_ids_follow_their_examples_into_every_split():
    frame = pd.DataFrame({"a": np.arange(40.0) / 40, "who": [f"n{row}" for row in range(40)]})
    data = from_arrays(frame, ids="who")
    for split in (data.train, data.test, data.resplit(3).test, data.with_validation().train):
        assert split.ids.tolist() == [f"n{round(40 * value)}" for value in split.x[:, 0].tolist()]


def test_a_table_that_leaves_the_unit_interval_is_standardised():
    frame = pd.DataFrame(X, columns=list("abc"))
    assert from_arrays(frame, test=0.0).scaling.offset.shape == (3,)
    assert from_arrays(X).scaling == from_arrays(frame / 99).scaling == from_arrays(frame, scaling="none").scaling


def test_masked_entries_are_missing_values():
    masked = np.ma.array(X, mask=X == 4)
    with pytest.raises(InvalidInput, match=r"\(masked entries are NaN\) has 1 NaN .* at index \(1, 1\)"):
        from_arrays(masked)
    with pytest.raises(InvalidInput, match=r"the labels of mine are missing .* for 1 examples, the first at index 2"):
        from_arrays(X, np.ma.array([0, 1, 0, 1], mask=[0, 0, 1, 0]), name="mine")
    assert from_arrays(np.ma.array(X)).shape == (3,)


def test_channels_first_are_brought_last_where_that_is_certain():
    images = np.arange(2 * 3 * 8 * 12, dtype=np.float32).reshape(2, 3, 8, 12)
    for shape in [(3, 8, 12), (1, 28, 28), (3, 480, 640)]:
        found, notes = channels_last(np.zeros((2, *shape)), None, "mine")
        assert (found.shape[1:], len(notes)) == ((*shape[1:], shape[0]), 1)
    for shape in [(8, 12, 3), (3, 32, 3), (1, 128, 9), (4, 16, 16), (3, 7, 7), (28, 28)]:
        found, notes = channels_last(np.zeros((2, *shape)), None, "mine")
        assert (found.shape[1:], notes) == (shape, [])
    np.testing.assert_array_equal(channels_last(images, "first", "mine")[0], np.moveaxis(images, 1, 3))
    assert channels_last(images, "last", "mine")[0] is images
    with pytest.raises(InvalidInput, match=r"mine was given channels='first' for examples of shape \(3,\): expected 3"):
        channels_last(X, "first", "mine")
    data = from_arrays(images, test=0.0, validation=0.0)
    assert data.shape == (8, 12, 3)
    np.testing.assert_array_equal(data.spec.raw(images), data.spec.raw(np.moveaxis(images, 1, 3)))
