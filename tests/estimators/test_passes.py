import numpy as np
import pytest

from ae_jax import InvalidInput, TrainingDiverged
from ae_jax.estimators import AutoencoderTransformer


def passes(narrow, rows, count):
    estimator = AutoencoderTransformer(**narrow)
    for _ in range(count):
        estimator.partial_fit(rows)
    return estimator


def test_passes_over_the_same_rows_are_the_epochs_of_fit(rows, narrow, fitted):
    passed = passes(narrow, rows, 3)
    np.testing.assert_array_equal(passed.transform(rows), fitted.transform(rows))
    np.testing.assert_array_equal(passed.history_["train"]["loss"], fitted.history_["train"]["loss"])
    assert passed.n_iter_ == fitted.n_iter_ == 3
    assert passed.run_.settings == fitted.run_.settings
    assert fitted.run_.record.keys() == passed.run_.record.keys()


def test_a_second_pass_over_as_many_rows_compiles_nothing(rows, narrow):
    passed = passes(narrow, rows, 1)
    before = passed.run_.record["programs_compiled"]
    assert passed.partial_fit(rows[::-1]).run_.record["programs_compiled"] == before


def test_the_first_rows_fix_the_scaling(rows, narrow):
    passed = passes(narrow, rows, 1)
    offset = passed.scaling_.offset
    np.testing.assert_array_equal(passed.partial_fit(rows + 1.0).scaling_.offset, offset)


def test_parts_of_other_sizes_are_trained_on(rows, narrow):
    passed = passes(narrow, rows, 1).partial_fit(rows[:7])
    assert passed.n_iter_ == 2
    assert passed.run_.settings["batch_size"] == 7


def test_passes_after_fit_go_on_from_its_parameters(rows, narrow, fitted):
    estimator = AutoencoderTransformer(**narrow).fit(rows).partial_fit(rows)
    losses = estimator.history_["train"]["loss"]
    np.testing.assert_array_equal(losses[:3], fitted.history_["train"]["loss"])
    assert losses[3] < losses[2]


def test_fit_forgets_the_passes_before(rows, narrow, fitted):
    again = passes(narrow, rows + 1.0, 2).fit(rows)
    np.testing.assert_array_equal(again.transform(rows), fitted.transform(rows))
    on = again.partial_fit(rows)
    assert on.n_iter_ == 4


def test_the_first_rows_fix_the_autoencoder(rows, narrow):
    passed = passes(narrow, rows, 1).set_params(autoencoder="sparse", random_state=9).partial_fit(rows)
    assert passed.run_.name == "undercomplete"
    np.testing.assert_array_equal(passed.transform(rows), passes(narrow, rows, 2).transform(rows))


def test_rows_that_the_likelihood_does_not_know_are_refused(rows, narrow):
    passed = AutoencoderTransformer("variational", scaling="unit", **narrow).partial_fit(rows)
    with pytest.raises(InvalidInput, match="the Bernoulli likelihood of variational was given values from"):
        passed.partial_fit(rows + 1.0)


def test_another_width_is_refused(rows, narrow):
    with pytest.raises(ValueError, match="X has 5 features, but AutoencoderTransformer is expecting 6"):
        passes(narrow, rows, 1).partial_fit(rows[:, :5])


def test_a_pass_that_diverges_changes_nothing(rows, narrow):
    estimator = passes(narrow, rows, 1)
    before = estimator.transform(rows)
    with pytest.raises(TrainingDiverged, match="undercomplete diverged in epoch 2"):
        estimator.partial_fit(rows * 1e30)
    np.testing.assert_array_equal(estimator.transform(rows), before)
    assert estimator.partial_fit(rows).n_iter_ == 2
