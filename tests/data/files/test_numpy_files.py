import zipfile

import numpy as np
import pytest

from ae_jax import InvalidInput

X = np.arange(12, dtype=np.uint8).reshape(6, 2)
LABELS = np.arange(6) % 2


@pytest.mark.parametrize(
    ("arrays", "options", "labelled"),
    [
        ({"x": X}, {}, False),
        ({"x": X, "y": LABELS, "z": X[:2]}, {}, True),
        ({"X": X, "Y": LABELS}, {}, True),
        ({"images": X, "x": X[:2], "names": LABELS}, {"key": "images", "label": "names"}, True),
        ({"images": X, "y": LABELS}, {"key": "images"}, True),
        ({"arr_0": X}, {}, False),
    ],
)
def test_examples_and_labels_are_found_in_an_archive(read, arrays, options, labelled, tmp_path):
    np.savez_compressed(tmp_path / "mine.npz", **arrays)
    contents = read(tmp_path / "mine.npz", **options)["all"]
    np.testing.assert_array_equal(contents.x, X)
    assert (contents.labels is not None) == labelled
    if labelled:
        np.testing.assert_array_equal(contents.labels, LABELS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {},
            "mine.npz holds images, names, y: expected the examples under x or X and any labels under y; name",
        ),
        ({"key": "image"}, "unknown array of .*mine.npz 'image': did you mean 'images'. Known are images, names, y"),
        ({"key": "images", "label": "Names"}, "unknown array of .*mine.npz 'Names': did you mean 'names'"),
        ({"key": "images", "label": "names"}, r"the labels of .*mine.npz have shape \(2,\) for 6 examples"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(read, options, sentence, tmp_path):
    np.savez(tmp_path / "mine.npz", images=X, names=np.array(["cat", "dog"]), y=LABELS)
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path / "mine.npz", **options)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ([], "mine.npz holds nothing: expected the examples under x or X"),
        (["x"], r"mine.npz cannot be read \(x is not an array\): expected an array written by numpy.savez"),
    ],
)
def test_an_archive_without_arrays_is_refused(read, members, sentence, tmp_path):
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as file:
        for name in members:
            file.writestr(name, "text")
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path / "mine.npz")


@pytest.mark.parametrize("name", ["mine.npy", "mine.npz"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"a,b\n1,2\n",
        lambda whole: whole[:-30],
        lambda whole: whole[:6] + b"\xff" * 60 + whole[66:],
    ],
    ids=["empty", "text", "truncated", "corrupt"],
)
def test_a_damaged_file_is_refused(read, name, damage, tmp_path):
    path = tmp_path / name
    np.savez_compressed(path, x=X) if name.endswith("npz") else np.save(path, X)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidInput, match=rf"{name} cannot be read \(.+\): expected an array written by numpy.save"):
        read(path)
