"""Examples laid out as rows, as columns, and in MATLAB's order."""

import numpy as np
import pandas
import pytest
from scipy import io

from ae_jax import InvalidInput
from ae_jax.data.files import read
from ae_jax.data.files.layout import examples_first, shaped

PICTURES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
"""Two of three rows and four columns."""


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_columns_of_a_matrix_are_examples_in_numpy_s_order(tmp_path, kind):
    columns = PICTURES.reshape(2, 12).T
    path = tmp_path / f"x.{kind}"
    if kind == "npy":
        np.save(path, columns)
    else:
        np.savez(path, x=columns, y=[5, 6])
    contents = read(path, transpose=True, shape=(3, 4))["all"]
    np.testing.assert_array_equal(contents.x, PICTURES)
    assert contents.labels is None if kind == "npy" else contents.labels.tolist() == [5, 6]


def test_pictures_of_a_mat_file_stand_upright(tmp_path):
    columns = np.stack(
        [picture.ravel(order="F") for picture in PICTURES], axis=1
    )  # reshape(faces(:, 1), 3, 4) in MATLAB
    io.savemat(tmp_path / "x.mat", {"faces": columns, "names": [[5, 6]]})
    contents = read(tmp_path / "x.mat", key="faces", label="names", transpose=True, shape=(3, 4))["all"]
    np.testing.assert_array_equal(contents.x, PICTURES)
    assert contents.labels.tolist() == [5, 6]
    io.savemat(tmp_path / "rows.mat", {"faces": columns.T})
    np.testing.assert_array_equal(read(tmp_path / "rows.mat", shape=(3, 4))["all"].x, PICTURES)


def test_a_mat_file_s_only_array_of_columns_is_the_examples(tmp_path):
    io.savemat(tmp_path / "x.mat", {"faces": np.zeros((1, 5)), "mean": np.zeros((4, 1))})
    assert read(tmp_path / "x.mat", transpose=True)["all"].x.shape == (5, 1)


def test_a_stack_along_the_last_axis_is_transposed(tmp_path):
    io.savemat(tmp_path / "x.mat", {"x": np.moveaxis(PICTURES, 0, -1)})
    np.testing.assert_array_equal(read(tmp_path / "x.mat", transpose=True)["all"].x, PICTURES)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_pixels_with_labels_is_pictures(tmp_path, kind):
    frame = pandas.DataFrame(PICTURES.reshape(2, 12), columns=[f"pixel{place}" for place in range(12)])
    frame.insert(0, "label", ["cat", "dog"])
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    contents = read(tmp_path / f"x.{kind}", label="label", shape=(3, 4))["all"]
    np.testing.assert_array_equal(contents.x, PICTURES)
    assert contents.labels.tolist() == ["cat", "dog"]


def test_channels_are_the_last_axis():
    rows = np.arange(12)[None]
    np.testing.assert_array_equal(shaped(rows, (2, 2, 3), "x")[0, 1, 0], [6, 7, 8])
    np.testing.assert_array_equal(shaped(rows, (2, 2, 3), "x", first_axis_fastest=True)[0, 1, 0], [1, 5, 9])


def test_one_axis_has_nothing_to_transpose():
    assert examples_first(np.zeros(3), transpose=True).shape == (3,)


@pytest.mark.parametrize("transpose", [False, True])
def test_a_shape_of_other_size_is_refused(tmp_path, transpose):
    np.save(tmp_path / "x.npy", np.zeros((5, 12)))
    with pytest.raises(InvalidInput) as raised:
        read(tmp_path / "x.npy", transpose=transpose, shape=(4, 4))
    width = 5 if transpose else 12
    assert f"x.npy has {width} values an example, and the shape 4 x 4 has 16: expected as many" in str(raised.value)
