import numpy as np
import pandas
import pytest
import scipy.io
from PIL import Image
from sklearn.datasets import load_digits

from ae_jax import InvalidInput
from ae_jax.data import ReadOptions, Scaling, load
from ae_jax.data.sources import examples, parse_path

X = np.arange(40, dtype=np.uint8).reshape(20, 2)
LABELS = np.arange(20) % 2


def test_digits_are_those_of_scikit_learn(digits):
    splits = (digits.train, digits.validation, digits.test)
    assert [len(split.x) for split in splits] == [1258, 180, 359]
    ours = np.concatenate([np.column_stack([split.x.reshape(-1, 64), split.labels]) for split in splits])
    theirs = np.column_stack([load_digits().data, load_digits().target])
    assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, theirs.tolist()))
    assert digits.train.x.dtype == np.uint8
    assert float(digits.scaling(digits.train.x.max())) == 1.0


def test_embedded_data_keep_their_unit_and_take_another_scaling(digits):
    assert load("digits", scaling="unit").scaling == Scaling(scale=16.0)
    assert load("digits", scaling="none").scaling == Scaling()
    assert load("digits", scaling=Scaling(scale=2.0)).scaling == Scaling(scale=2.0)
    values = np.asarray((standard := load("digits", scaling="standard")).scaling(standard.train.x))
    np.testing.assert_allclose([values.mean(), values.std()], [0.0, 1.0], atol=1e-4)


def test_a_file_of_examples_and_labels_loads(tmp_path):
    np.savez(tmp_path / "mine.npz", x=X, y=LABELS, more=X + 1)
    data = load(str(tmp_path / "mine.npz"))
    np.testing.assert_array_equal(data.train.labels, LABELS[data.train.x[:, 0] // 2])
    other = load(f"{tmp_path / 'mine.npz'}:more")
    assert other.train.x.min() >= 1


def test_a_table_remembers_how_it_was_read(tmp_path):
    frame = pandas.DataFrame(X / 40, columns=["a", "b"]).assign(kind=LABELS)
    frame.to_csv(tmp_path / "mine.csv", index=False)
    data = load(str(tmp_path / "mine.csv"), ReadOptions(label="kind"), scaling="standard")
    assert (data.columns, data.reading) == (("a", "b"), ReadOptions(label="kind"))
    assert sorted(set(data.train.labels)) == [0, 1]
    found = examples(str(tmp_path / "mine.csv"), data.spec)
    np.testing.assert_allclose(found.x, X / 40, rtol=1e-6)
    np.testing.assert_array_equal(found.labels, LABELS)
    frame.drop(columns="b").to_csv(tmp_path / "less.csv", index=False)
    with pytest.raises(InvalidInput, match=r"unknown column of .*less.csv 'b'"):
        examples(str(tmp_path / "less.csv"), data.spec)


@pytest.mark.parametrize("budget", [2**30, 2000])
def test_a_table_is_standardised_unless_told_otherwise(tmp_path, budget):
    rng, reading = np.random.default_rng(0), ReadOptions(budget=budget)
    x = {"table": rng.normal(5.0, [1.0, 0.0, 100.0], (400, 3)), "unit": rng.uniform(size=(400, 3))}
    x |= {"bytes": rng.integers(0, 9, (400, 3)).astype(np.uint8), "images": rng.normal(size=(400, 2, 2))}
    for name, values in x.items():
        np.save(tmp_path / f"{name}.npy", values)
    data = load(str(tmp_path / "table.npy"), reading)
    assert (data.stream is None) == (budget > 2000)
    kept = data.scaling(data.train.x if data.stream is None else x["table"].astype(np.float32))
    np.testing.assert_allclose(np.mean(kept, axis=0), np.zeros(3), atol=0.1)
    np.testing.assert_allclose(np.std(kept, axis=0), [1.0, 0.0, 1.0], atol=0.1)
    scalings = {name: load(str(tmp_path / f"{name}.npy"), reading).scaling for name in ("unit", "bytes", "images")}
    assert scalings == {"unit": Scaling(), "bytes": Scaling(scale=8.0), "images": Scaling()}
    assert load(str(tmp_path / "table.npy"), reading, scaling="none").scaling == Scaling()


@pytest.mark.parametrize("kind", ["npy", "parquet"])
@pytest.mark.parametrize("budget", [2**30, 1000])
def test_a_folder_of_shards_is_one_data_set(tmp_path, kind, budget):
    folder = tmp_path / "many"
    folder.mkdir()
    x = np.arange(600, dtype=np.float32).reshape(300, 2)
    for place, part in enumerate(np.split(x, 3)):
        if kind == "npy":
            np.save(folder / f"{place}.npy", part)
        else:
            pandas.DataFrame(part, columns=["a", "b"]).to_parquet(folder / f"{place}.parquet", row_group_size=20)
    data = load(str(folder), ReadOptions(budget=budget), scaling="unit")
    assert data.name == "many"
    assert (data.stream is None) == (budget > x.nbytes)
    held_out = (30, 60) if data.stream is None else (7, 7)  # a sixteenth of the budget each
    assert data.spec.examples == {"train": 300 - sum(held_out), "validation": held_out[0], "test": held_out[1]}
    assert data.columns == (None if kind == "npy" else ("a", "b"))
    np.testing.assert_array_equal(examples(str(folder), data.spec).x, x)


def test_large_files_are_streamed_and_small_ones_are_not(tmp_path):
    np.save(tmp_path / "mine.npy", X)
    assert load(str(tmp_path / "mine.npy"), ReadOptions(budget=X.nbytes)).stream is None
    streamed = load(str(tmp_path / "mine.npy"), ReadOptions(budget=X.nbytes - 1))
    assert streamed.stream is not None
    assert streamed.scaling == Scaling(scale=39.0)


def test_a_stray_file_among_others_is_no_data_set(tmp_path):
    np.save(tmp_path / "mean.npy", X)
    (tmp_path / ".hidden.npy").touch()
    assert load(str(tmp_path)).shape == (2,)
    (tmp_path / "cats").mkdir()
    with pytest.raises(InvalidInput, match=r"holds .npy files beside cats: expected shards of one kind and nothing"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "parsed"),
    [
        ("mine.npz:images", ("mine.npz", "images")),
        ("odd:name.npz", ("odd:name.npz", None)),
        ("deep/er.mat:faces", ("deep/er.mat", "faces")),
    ],
)
def test_a_key_follows_a_colon(source, parsed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd:name.npz").touch()
    path, key = parse_path(source)
    assert (str(path), key) == parsed


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("digit", "unknown data set 'digit': did you mean 'digits'"),
        ("/nowhere/mine.npy", "there is no file /nowhere/mine.npy: expected"),
        (
            "mnist",
            "mnist is not prepared: .* run `ae-jax data prepare mnist`, which downloads it, or",
        ),
    ],
)
def test_sources_that_are_not_there_are_refused(source, sentence, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AE_JAX_DATA_DIR", str(tmp_path))
    with pytest.raises(InvalidInput, match=sentence):
        load(source)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (f"{'x' * 300}.npy", r"x.npy cannot be read \(File name too long\): expected a file"),
        ("~nobody_at_all/x.csv", r"~nobody_at_all/x.csv cannot be read \(.*home directory.*\): expected a file"),
    ],
)
def test_what_the_system_refuses_is_a_sentence(source, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        load(source)


def test_a_file_is_never_called_as_a_data_set_by_name(tmp_path):
    np.save(tmp_path / "digits.npy", X)
    assert load(str(tmp_path / "digits.npy")).name == "digits.npy"


def test_a_named_source_says_itself_how_it_is_read():
    with pytest.raises(InvalidInput, match="digits was given options such as a label or shape: expected none"):
        load("digits", ReadOptions(label="y"))


@pytest.fixture
def faces(tmp_path):
    """Twenty pictures of two rows and three columns, as MATLAB keeps them: each a column."""
    pictures = np.arange(120, dtype=np.uint8).reshape(20, 2, 3)
    columns = np.stack([picture.ravel(order="F") for picture in pictures], axis=1)
    scipy.io.savemat(tmp_path / "faces.mat", {"faces": columns, "who": LABELS})
    return pictures


def test_how_an_array_lies_is_remembered(tmp_path, faces):
    source = f"{tmp_path / 'faces.mat'}:faces"
    data = load(source, ReadOptions(label="who", transpose=True, shape=(2, 3)))
    assert data.shape == (2, 3)
    assert (data.spec.reading.transpose, data.spec.reading.shape) == (True, (2, 3))
    found = examples(source, data.spec)
    np.testing.assert_array_equal(found.x, faces)
    np.testing.assert_array_equal(found.labels, LABELS)


def test_an_array_of_the_shape_trained_on_is_taken_as_it_stands(tmp_path, faces):
    data = load(f"{tmp_path / 'faces.mat'}:faces", ReadOptions(transpose=True, shape=(2, 3))).spec
    np.save(tmp_path / "more.npy", faces)
    np.testing.assert_array_equal(examples(str(tmp_path / "more.npy"), data).x, faces)
    np.save(tmp_path / "columns.npy", faces.reshape(20, 6).T)
    np.testing.assert_array_equal(examples(str(tmp_path / "columns.npy"), data).x, faces)


def test_a_single_image_is_one_example(tmp_path, faces):
    data = load(f"{tmp_path / 'faces.mat'}:faces", ReadOptions(transpose=True, shape=(2, 3))).spec
    Image.fromarray(faces[3]).save(tmp_path / "one.png")
    np.testing.assert_array_equal(examples(str(tmp_path / "one.png"), data).x, faces[3:4])
    with pytest.raises(InvalidInput, match=r"one.png was given --label, which a source of its kind does not use"):
        examples(str(tmp_path / "one.png"), data, label="who")
    with pytest.raises(InvalidInput, match=r"one.png is a single image: expected a folder of images"):
        load(str(tmp_path / "one.png"))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_pixels_of_a_table_are_taken_by_their_names(tmp_path, faces, kind):
    frame = pandas.DataFrame(faces.reshape(20, 6), columns=list("abcdef")).assign(label=LABELS)
    write = {"csv": lambda frame, path: frame.to_csv(path, index=False), "parquet": pandas.DataFrame.to_parquet}[kind]
    write(frame, tmp_path / f"mine.{kind}")
    data = load(str(tmp_path / f"mine.{kind}"), ReadOptions(label="label", shape=(2, 3), budget=10**6))
    assert (data.shape, data.columns) == ((2, 3), None)
    assert sorted(set(data.train.labels)) == [0, 1]
    write(frame[["label", *"fedcba"]], tmp_path / f"other.{kind}")
    found = examples(str(tmp_path / f"other.{kind}"), data.spec)
    np.testing.assert_array_equal(found.x, faces)
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_array_equal(data.spec.raw(frame[["label", *"fedcba"]]), faces)


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz", "mat"])
def test_labels_are_left_out_where_a_later_source_has_none(tmp_path, kind):
    frame = pandas.DataFrame(X / 40, columns=["a", "b"])
    path, bare = tmp_path / f"mine.{kind}", tmp_path / f"bare.{kind}"
    for place, table in ((path, frame.assign(kind=LABELS)), (bare, frame)):
        arrays = {"x": table[["a", "b"]].to_numpy(np.float32)}
        arrays |= {"kind": table["kind"].to_numpy()} if "kind" in table else {}
        {
            "csv": lambda place, table, _: table.to_csv(place, index=False),
            "parquet": lambda place, table, _: table.to_parquet(place),
            "npz": lambda place, _, arrays: np.savez(place, **arrays),
            "mat": lambda place, _, arrays: scipy.io.savemat(place, arrays),
        }[kind](place, table, arrays)
    key = ":x" if kind in ("npz", "mat") else ""
    data = load(f"{path}{key}", ReadOptions(label="kind")).spec
    np.testing.assert_array_equal(examples(f"{path}{key}", data).labels, LABELS)
    assert examples(f"{bare}{key}", data).labels is None
    assert examples(f"{path}{key}", data, labelled=False).labels is None
    with pytest.raises(InvalidInput, match="kind"):
        examples(f"{bare}{key}", data, label="kind")


def test_another_label_may_be_asked_for(tmp_path):
    frame = pandas.DataFrame(X / 40, columns=["a", "b"]).assign(kind=LABELS, other=LABELS + 5)
    frame.to_csv(tmp_path / "mine.csv", index=False)
    data = load(str(tmp_path / "mine.csv"), ReadOptions(label="kind", columns=["a", "b"])).spec
    np.testing.assert_array_equal(examples(str(tmp_path / "mine.csv"), data, label="other").labels, LABELS + 5)
    np.save(tmp_path / "mine.npy", np.float32(X / 40))
    with pytest.raises(InvalidInput, match=r"mine.npy was given --label, which a source of its kind does not use"):
        examples(str(tmp_path / "mine.npy"), data, label="other")
