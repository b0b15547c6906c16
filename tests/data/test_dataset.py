import dataclasses
import json

import numpy as np
import pandas
import pytest

from ae_jax import InvalidInput
from ae_jax.components import from_config
from ae_jax.data import Dataset, RawData, ReadOptions, Scaling, Split, from_arrays, from_splits, load
from ae_jax.data.splits import from_raw

X = np.arange(60, dtype=np.float32).reshape(30, 2)
LABELS = np.repeat([0, 1, 2], 10)


def rows(split) -> list[int]:
    return (split.x[:, 0] // 2).astype(int).tolist()


def test_splits_hold_every_example_once_with_its_label_and_every_class_in_its_share():
    data = from_arrays(X, LABELS, validation=0.2, test=0.3)
    assert sorted(row for split in (data.train, data.validation, data.test) for row in rows(split)) == list(range(30))
    for split, each in ((data.train, 5), (data.validation, 2), (data.test, 3)):
        np.testing.assert_array_equal(split.labels, LABELS[rows(split)])
        assert np.bincount(split.labels).tolist() == [each] * 3


def test_another_split_is_that_of_its_seed_whatever_the_first_was():
    first, second = (from_arrays(X, LABELS, test=0.3, seed=seed) for seed in (0, 7))
    assert first.redrawn == ("test", "validation")
    for data in (first.resplit(7), first.resplit(3).resplit(7)):
        for ours, theirs in zip(data._splits().values(), second._splits().values(), strict=True):
            np.testing.assert_array_equal(ours.x, theirs.x)
            np.testing.assert_array_equal(ours.labels, theirs.labels)
    assert rows(first.test) != rows(second.test)
    np.testing.assert_array_equal(first.source().x, X)


def test_an_official_split_and_the_scaling_stay():
    contents = {"train": RawData(X, LABELS), "test": RawData(X[:4], LABELS[:4])}
    data = from_raw(contents, name="official", scaling="standard")
    other = data.resplit(5)
    assert data.redrawn == ("validation",)
    assert (other.test.x is data.test.x, other.scaling is data.scaling) == (True, True)
    assert rows(other.validation) != rows(data.validation)
    assert sorted(rows(other.train) + rows(other.validation)) == list(range(30))


def test_given_and_streamed_splits_cannot_be_redrawn(tmp_path):
    np.save(tmp_path / "x.npy", X)
    drawn = from_arrays(X, name="mine")
    given = dataclasses.replace(drawn, test=Split(drawn.test.x))  # who replaced one may have damaged it
    for data in (from_splits(X, validation=X[:3], test=X[:2], name="mine"), given):
        with pytest.raises(
            InvalidInput, match=r"mine has splits that are given, .*: expected data in memory, split at"
        ):
            data.resplit(1)
    with pytest.raises(InvalidInput, match="x is streamed, which cannot be drawn anew for each seed"):
        load(str(tmp_path / "x.npy"), ReadOptions(budget=100)).resplit(1)


def test_a_split_is_asked_for_by_name():
    data = from_arrays(X, name="mine", validation=0.0)
    assert data.split("test") is data.test
    with pytest.raises(InvalidInput, match="unknown split 'tests': did you mean 'test'"):
        data.split("tests")
    with pytest.raises(InvalidInput, match="the data set mine has no validation examples: expected some"):
        data.split("validation")


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"labels": LABELS[:5]}, r"have shape \(5,\) for 30 examples: expected one label for each example"),
        (
            {"labels": np.where(LABELS == 1, np.nan, LABELS)},
            "are missing .* for 10 examples, .* at index 10",
        ),
        ({"seed": -1}, r"given the seed -1: expected an integer from 0 to 2\*\*32 - 1"),
        ({"test": 1.0}, "given validation=0.1 and test=1.0: expected fractions that sum below 1"),
        ({"test": 0.89}, "30 examples leave none to train on: give more, or smaller fractions"),
    ],
)
def test_splits_that_cannot_be_made_are_refused(choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_arrays(X, **choice)


def test_splits_of_yours_are_kept_as_they_are():
    data = from_splits((X.tolist(), LABELS.tolist()), validation=X[:4], test=(X[:2], ["a", "b"]), name="mine")
    assert (data.name, data.shape, data.scaling) == ("mine", (2,), Scaling())
    np.testing.assert_array_equal(data.train.x, X)
    np.testing.assert_array_equal(data.train.labels, LABELS)
    np.testing.assert_array_equal(data.validation.x, X[:4])
    assert data.validation.labels is None
    assert data.test.labels.tolist() == ["a", "b"]


@pytest.mark.parametrize("nothing", [None, [], (X[:0], LABELS[:0])])
def test_a_split_may_have_nothing(nothing):
    data = from_splits(X, validation=nothing, test=nothing)
    assert data.validation.x.shape == data.test.x.shape == (0, 2)


@pytest.mark.parametrize(
    ("splits", "sentence"),
    [
        ([X[:0]], r"the train split of mine is empty, of shape \(0, 2\): expected at least one example"),
        ([X, X * np.nan], "the validation split of mine has 60 NaN or infinite values, .*drop or impute them"),
        ([X, None, X[:, :1]], r"the test split of mine has examples of shape \(1,\): expected \(2,\), as in the train"),
        ([(X, LABELS, LABELS)], r"train split of mine is a tuple of 3: .*or a pair \(examples, labels\)"),
        ([X, X.astype(np.uint8)], "validation split of mine is stored as uint8 and the train split as float32: .*one"),
    ],
)
def test_splits_of_yours_that_cannot_be_used_are_refused(splits, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_splits(splits[0], **dict(zip(("validation", "test"), splits[1:], strict=False)), name="mine")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"train": Split(X[:0])}, r"the train split of mine is empty, of shape \(0, 2\): expected at least one"),
        ({"train": Split(X.astype(str))}, "the train split of mine has type <U32: expected numbers"),
        ({"test": Split(X[:, :1])}, r"the test split of mine has examples of shape \(1,\): expected \(2,\), as in"),
        ({"test": Split(X, LABELS[:5])}, r"the labels of the test split of mine have shape \(5,\) for 30 examples"),
        (
            {"validation": X},
            "the validation split of mine is no Split of NumPy arrays: .*by from_splits",
        ),
        ({"scaling": 255.0}, "mine was given the scaling 255.0: expected a Scaling, or none"),
    ],
)
def test_a_data_set_that_does_not_fit_together_is_refused(given, sentence, unchecked):
    splits = {"train": Split(X), "validation": Split(X[:0]), "test": Split(X[:0])}
    with pytest.raises(InvalidInput, match=sentence):
        Dataset(name="mine", **splits | given)


@pytest.mark.parametrize(("scale", "expected"), [(10.0, (-2.0, 3.0)), (-10.0, (-3.0, 2.0))])
def test_the_range_is_that_of_all_splits_in_model_units(scale, expected):
    train, validation, test = (np.array([[0.0, value]], np.float32) for value in (5.0, -10.0, 40.0))
    assert (
        from_splits(train, validation=validation, test=test, scaling=Scaling(offset=10.0, scale=scale)).range
        == expected
    )
    assert from_splits(train).range == (0.0, 5.0)


def test_a_scaling_by_name_is_fitted_on_the_training_split_alone():
    x = np.random.default_rng(0).normal(3.0, 2.0, (200, 2)).astype(np.float32)
    data = from_arrays(x, scaling="standard")
    np.testing.assert_allclose(np.asarray(data.scaling(data.train.x)).mean(axis=0), 0.0, atol=1e-5)
    assert abs(np.asarray(data.scaling(data.test.x)).mean()) > 1e-3
    given = from_splits(x[:100], test=5 * x[100:], scaling="unit")
    assert np.asarray(given.scaling(given.train.x)).max() <= 1.0
    assert not given.spec.unit_interval  # the test split leaves the range that was trained on
    assert from_splits(x[:100], scaling="unit").spec.unit_interval


def test_a_scaling_of_another_shape_is_refused():
    with pytest.raises(InvalidInput, match=r"given a scaling of shape \(3,\): expected one number, or one for each"):
        from_arrays(X, scaling=Scaling(scale=[1.0, 2.0, 3.0]))


def test_columns_are_named_as_many_as_there_are():
    assert from_arrays(X, columns=["a", "b"]).columns == ("a", "b")
    with pytest.raises(InvalidInput, match=r"mine was given 3 column names for examples of shape \(2,\)"):
        from_arrays(X, columns=["a", "b", "c"], name="mine")


def test_a_feature_that_drowns_another_is_said():
    x = np.random.default_rng(0).normal(size=(50, 2)) * [1.0, 1e4]
    with pytest.warns(
        UserWarning, match="feature 'b' has .* times the standard deviation of 'a', .*scaling='standard'"
    ):
        from_arrays(x, columns=["a", "b"])
    from_arrays(x, scaling="none")
    from_arrays(x, scaling="standard")


def test_splits_of_frames_are_matched_by_the_names_of_their_columns():
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [10.0, 20.0], "kind": ["x", "y"]})
    data = from_splits((frame, "kind"), test=(frame[["kind", "b", "a"]], "kind"))
    assert data.columns == ("a", "b")
    np.testing.assert_array_equal(data.test.x, data.train.x)
    assert data.test.labels.tolist() == ["x", "y"]


def test_a_frame_names_its_columns_and_its_label():
    frame = pandas.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "kind": list("xyxy"), "b": [0.0, 1.0, 0.0, 1.0]})
    data = from_arrays(frame, "kind", validation=0.25, test=0.25)
    assert data.columns == ("a", "b")
    assert set(data.train.labels) <= {"x", "y"}
    assert from_arrays(frame[["b"]], [0, 1, 0, 1]).columns == ("b",)
    assert from_arrays(frame, columns=["b", "a"]).columns == ("b", "a")


@pytest.mark.parametrize("labels", [LABELS, None])
def test_what_was_held_out_for_validation_is_trained_on(labels):
    data = from_arrays(X, labels, validation=0.2, test=0.3, scaling="unit")
    whole = data.with_validation()
    assert rows(whole.train) == rows(data.train) + rows(data.validation)
    assert (len(whole.validation.x), whole.scaling) == (0, data.scaling)
    assert whole.test is data.test
    assert whole.spec.examples == {"train": 21, "validation": 0, "test": 9}
    if labels is None:
        assert whole.train.labels is None
    else:
        np.testing.assert_array_equal(whole.train.labels, LABELS[rows(whole.train)])


def test_validation_examples_do_not_join_a_stream(tmp_path):
    np.save(tmp_path / "x.npy", X)
    data = load(str(tmp_path / "x.npy"), ReadOptions(budget=100))
    with pytest.raises(InvalidInput, match=r"the training examples of .* are streamed.*device's budget"):
        data.with_validation()


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a", "b", "a"], ("a", "b")),
        ([2.0, 1.0, 2.0, 1.0], (1, 2)),
        ([True, False, True, False], (0, 1)),
        ([0.5, 1.0, 0.5, 1.0], None),
        ([1, 2, 3, 4], None),
    ],
)
def test_labels_are_classes_where_they_repeat_and_are_no_measurements(labels, classes):
    data = from_splits((np.zeros((4, 2)), labels))
    assert data.classes == classes
    assert from_config(json.loads(json.dumps(data.describe()))).classes == classes
    if classes is not None:
        assert [classes[position] for position in data.train.condition(classes)] == labels


def test_a_condition_of_an_unknown_label_is_refused():
    data = from_splits((np.zeros((4, 2)), ["a", "b", "a", "b"]), test=(np.zeros((1, 2)), ["c"]))
    assert data.train.condition(data.classes).tolist() == [0, 1, 0, 1]
    with pytest.raises(InvalidInput, match="the label 'c' was not trained on: expected one of the classes 'a', 'b'"):
        data.test.condition(data.classes)
    with pytest.raises(InvalidInput, match="the label is missing"):
        Split(data.test.x).condition(data.classes)
    with pytest.raises(InvalidInput, match="the training data have no classes"):
        data.test.condition(None)


def test_a_data_set_shows_a_few_lines_and_a_table(digits):
    text = repr(digits)
    assert text.splitlines() == [
        "Dataset digits",
        "  shape        (8, 8), uint8 from 0 to 16",
        "  examples     1,258 train, 180 validation, 359 test",
        "  classes      0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "  model units  from 0 to 1",
    ]
    assert "<td>1,258 train, 180 validation, 359 test</td>" in digits._repr_html_()
    table = dataclasses.replace(digits, name="<i>", columns=("<b>",))
    assert "<b>" not in table._repr_html_()
