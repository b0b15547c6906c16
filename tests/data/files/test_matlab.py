import numpy as np
import pytest
from scipy import io, sparse

from ae_jax import InvalidInput

X = np.arange(12.0).reshape(4, 3)
LABELS = np.array([2, 0, 1, 2])
CELLS = np.array([["cat", "dog"]], object)


def write(path, **variables) -> None:
    io.savemat(path, variables)


@pytest.mark.parametrize(
    "variables",
    [
        {"faces": X},
        {"faces": X, "count": 4, "row": [[1, 2, 3]], "name": "mine", "names": CELLS, "more": {"a": X}},
        {"faces": sparse.csc_matrix(X)},
    ],
    ids=["alone", "among others", "sparse"],
)
def test_the_only_array_of_rows_is_the_examples(read, variables, tmp_path):
    write(tmp_path / "mine.mat", **variables)
    contents = read(tmp_path / "mine.mat")["all"]
    np.testing.assert_array_equal(contents.x, X)
    assert contents.labels is None


@pytest.mark.parametrize(
    "labels",
    [
        LABELS[None],
        LABELS[:, None],
        np.eye(3)[LABELS],
        sparse.csc_matrix(np.eye(3)[LABELS]),
    ],
    ids=["row", "column", "one-hot", "sparse"],
)
def test_labels_are_read_in_every_form(read, labels, tmp_path):
    write(tmp_path / "mine.mat", x=X, labels=labels)
    contents = read(tmp_path / "mine.mat", label="labels")["all"]
    np.testing.assert_array_equal(contents.x, X)
    np.testing.assert_array_equal(contents.labels, LABELS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {},
            r"mine.mat holds train \(4, 3\), test \(2, 3\), names .*: expected one array .*name it as mine.mat:NAME",
        ),
        ({"key": "tain"}, "unknown variable of .*mine.mat 'tain': did you mean 'train'"),
        ({"key": "train", "label": "z"}, "unknown variable of .*mine.mat 'z': .*Known are again"),
        ({"key": "names"}, "names in .*mine.mat is a cell: expected an array of numbers"),
        (
            {"key": "train", "label": "y"},
            r"y in .*mine.mat has shape \(1, 2\): expected one label for each of 4",
        ),
        ({"key": "train", "label": "again"}, r"again in .*mine.mat has shape \(4, 2\): .*single 1 in each row"),
    ],
)
def test_variables_that_cannot_be_used_are_refused(read, options, sentence, tmp_path):
    write(
        tmp_path / "mine.mat",
        train=X,
        test=X[:2],
        names=CELLS,
        y=[[0, 1]],
        again=np.ones((4, 2)),
    )
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path / "mine.mat", **options)


def test_version_7_3_is_refused(read, tmp_path):
    # The header of a version 7.3 file: 116 characters, 8 bytes, the version 0x0200 and the byte order.
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (tmp_path / "mine.mat").write_bytes(header + b"\0" * 384 + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(InvalidInput, match=r"mine.mat is of MATLAB's version 7.3: expected 7 or before; save it"):
        read(tmp_path / "mine.mat")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kept", [0, 150, -8])
def test_a_damaged_file_is_refused(read, kept, compressed, tmp_path):
    io.savemat(tmp_path / "mine.mat", {"x": np.random.default_rng(0).normal(size=(9, 9))}, do_compression=compressed)
    (tmp_path / "mine.mat").write_bytes((tmp_path / "mine.mat").read_bytes()[:kept])
    with pytest.raises(InvalidInput, match=r"mine.mat cannot be read \(.+\): expected a .mat file of MATLAB"):
        read(tmp_path / "mine.mat")


def test_the_newsgroups_are_read(read, real_data):
    path = real_data / "newsgroups" / "20news_w1000.mat"
    contents = read(path, key="trainW", label="trainC")["all"]
    assert contents.x.shape == (11256, 1000)
    assert contents.x.sum() > 0
    assert np.unique(contents.labels).tolist() == list(range(20))
    with pytest.raises(InvalidInput, match=r"trainW \(11256, 1000\), trainC \(11256, 20\).*: expected one array"):
        read(path)
