"""Containers and files of other libraries, by those libraries themselves."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import sparse

from ae_jax import InvalidInput
from ae_jax.data import ReadOptions, from_arrays, load

datasets, h5py, polars, zarr = map(pytest.importorskip, ("datasets", "h5py", "polars", "zarr"))
pytest.importorskip("openpyxl")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of options of pandas that anndata still reads
    anndata = pytest.importorskip("anndata")

X = np.random.default_rng(0).random((20, 3)).astype(np.float32)
Y = np.array(["cat", "dog"] * 10)
IDS = np.array([f"n{row}" for row in range(20)])
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])


def whole(data):
    """All examples in the order of their source."""
    return data.source()


def table(kind):
    if kind == "polars":
        return polars.DataFrame(FRAME.assign(y=Y, who=IDS))
    if kind == "datasets":
        return datasets.Dataset.from_pandas(FRAME.assign(y=Y, who=IDS))
    return polars.DataFrame(FRAME.assign(y=Y, who=IDS)).to_arrow()


@pytest.mark.parametrize("kind", ["polars", "arrow", "datasets"])
def test_tables_are_read_with_labels_and_ids(kind):
    data = from_arrays(table(kind), "y", ids="who")
    np.testing.assert_array_equal(whole(data).x, X)
    assert (whole(data).labels.tolist(), whole(data).ids.tolist()) == (Y.tolist(), IDS.tolist())
    assert data.columns == ("a", "b", "c")
    np.testing.assert_array_equal(data.spec.raw(table(kind)), X)  # the columns are found by their names


@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option is deprecated")  # which anndata reads
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_an_anndata_is_read_dense_and_sparse(kind):
    cells = anndata.AnnData(kind(X), obs=pd.DataFrame({"kind": Y}, index=IDS), var=pd.DataFrame(index=["a", "b", "c"]))
    data = from_arrays(cells, "kind")
    np.testing.assert_array_equal(whole(data).x, X)
    assert (whole(data).labels.tolist(), whole(data).ids.tolist()) == (Y.tolist(), IDS.tolist())
    np.testing.assert_array_equal(data.spec.raw(cells[:, ["c", "a", "b"]]), X)


def test_images_and_arrays_of_hugging_face_are_read():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8)).astype(np.uint8)
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    rows = {"image": [Image.fromarray(one) for one in pixels], "label": [0, 1] * 10}
    images = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
    np.testing.assert_array_equal(whole(from_arrays(images, "label")).x, pixels)
    with pytest.raises(InvalidInput, match=r"has the columns image, label: expected numbers in all, or one column"):
        from_arrays(images)


def test_arrays_of_hdf5_are_read_by_their_names(tmp_path):
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file.create_group("group").create_dataset("images", data=X, compression="gzip")
        file["group/kinds"] = [label.encode() for label in Y]
        file["far"] = h5py.ExternalLink("other.h5", "x")
        layout = h5py.VirtualLayout((20, 3), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (20, 3))
        file.create_virtual_dataset("virtual", layout)
    source = f"{tmp_path / 'mine.h5'}:group/images"
    with pytest.raises(InvalidInput, match=r"virtual in .*mine.h5 is not stored in the file"):
        load(source)
    with h5py.File(tmp_path / "mine.h5", "a") as file:
        del file["virtual"]
    data = load(source, ReadOptions(label="group/kinds"))
    np.testing.assert_array_equal(whole(data).x, X)
    assert whole(data).labels.tolist() == Y.tolist()
    with pytest.raises(InvalidInput, match=r"unknown array of .* 'far': Known are group/images, group/kinds"):
        load(tmp_path / "mine.h5:far")


def test_more_values_than_an_hdf5_file_can_hold_are_refused(tmp_path):
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file.create_dataset("x", (10**6, 10**6), "f4", chunks=(100, 100))
    with pytest.raises(InvalidInput, match=r"x in .*mine.h5 is not stored in the file"):
        load(tmp_path / "mine.h5")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_of_zarr_are_read_by_their_names(tmp_path, zarr_format):
    root = zarr.open_group(tmp_path / "mine.zarr", mode="w", zarr_format=zarr_format)
    root.create_array("x", data=X)
    root.create_array("y", data=np.arange(20) % 2)
    data = load(tmp_path / "mine.zarr")
    np.testing.assert_array_equal(whole(data).x, X)
    assert whole(data).labels.tolist() == [0, 1] * 10
    zarr.save_array(tmp_path / "single", X, zarr_format=zarr_format)
    np.testing.assert_array_equal(whole(load(tmp_path / "single")).x, X)


def test_codecs_of_zarr_that_run_code_are_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.create_array(tmp_path / "mine.zarr", shape=(2, 2), dtype="f4", zarr_format=2)
    about = json.loads((tmp_path / "mine.zarr" / ".zarray").read_text())
    for place in ({"filters": [{"id": "pickle"}]}, {"compressor": {"id": "pickle", "protocol": 5}}):
        (tmp_path / "mine.zarr" / ".zarray").write_text(json.dumps(about | place))
        with pytest.raises(InvalidInput, match=r"is encoded by pickle: expected|No Zarr data type .*pickle"):
            load(tmp_path / "mine.zarr")


def test_sheets_of_excel_are_read(tmp_path):
    with pd.ExcelWriter(tmp_path / "mine.xlsx") as writer:
        pd.DataFrame({"other": ["text"]}).to_excel(writer, sheet_name="first", index=False)
        FRAME.assign(y=Y, who=IDS).to_excel(writer, sheet_name="rows", index=False)
    data = load(f"{tmp_path / 'mine.xlsx'}:rows", ReadOptions(label="y", id="who"))
    np.testing.assert_allclose(whole(data).x, X, rtol=1e-6)
    assert (whole(data).labels.tolist(), whole(data).ids.tolist()) == (Y.tolist(), IDS.tolist())
    with pytest.raises(
        InvalidInput, match=r"mine.xlsx cannot be read .*: expected an Excel workbook with the sheet none"
    ):
        load(f"{tmp_path / 'mine.xlsx'}:none")
