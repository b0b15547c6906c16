import numpy as np
import pytest

from ae_jax import InvalidInput, TrainingDiverged
from ae_jax.estimators import AutoencoderTransformer


def trained(narrow, rows, calls):
    estimator = AutoencoderTransformer(**narrow)
    for _ in range(calls):
        estimator.partial_fit(rows)
    return estimator


def test_calls_with_the_same_rows_are_the_epochs_of_fit(rows, narrow, fitted):
    estimator = trained(narrow, rows, 3)
    np.testing.assert_array_equal(estimator.transform(rows), fitted.transform(rows))
    np.testing.assert_array_equal(estimator.history_["train"]["loss"], fitted.history_["train"]["loss"])
    assert estimator.n_iter_ == fitted.n_iter_ == 3
    assert estimator.run_.settings == fitted.run_.settings
    assert fitted.run_.record.keys() == estimator.run_.record.keys()


def test_the_first_rows_fix_autoencoder_and_scaling_and_the_second_call_compiles_nothing(rows, narrow):
    estimator = trained(narrow, rows, 1)
    offset, programs = estimator.scaling_.offset, estimator.run_.record["programs_compiled"]
    estimator.set_params(autoencoder="sparse", random_state=9).partial_fit(rows[::-1] + 1.0)
    np.testing.assert_array_equal(estimator.scaling_.offset, offset)
    assert estimator.run_.name == "undercomplete"
    assert estimator.run_.record["programs_compiled"] == programs


def test_parts_of_other_sizes_are_trained_on_and_the_range_of_all_is_kept(rows, narrow):
    estimator = trained(narrow, rows[:53], 1).partial_fit(rows[53:])
    assert estimator.n_iter_ == 2
    assert estimator.run_.settings["batch_size"] == 7
    assert (estimator.run_.data.low, estimator.run_.data.high) == (rows.min(), rows.max())


def test_after_fit_training_continues_and_fit_starts_from_scratch(rows, narrow, fitted):
    estimator = AutoencoderTransformer(**narrow).fit(rows).partial_fit(rows)
    losses = estimator.history_["train"]["loss"]
    np.testing.assert_array_equal(losses[:3], fitted.history_["train"]["loss"])
    assert losses[3] < 1.2 * losses[2]
    np.testing.assert_array_equal(estimator.fit(rows).transform(rows), fitted.transform(rows))
    assert estimator.partial_fit(rows).n_iter_ == 4


def test_rows_that_do_not_fit_the_first_are_refused(rows, narrow):
    estimator = AutoencoderTransformer("variational", scaling="unit", **narrow).partial_fit(rows)
    with pytest.raises(InvalidInput, match="the Bernoulli likelihood of variational was given values from"):
        estimator.partial_fit(rows + 1.0)
    with pytest.raises(ValueError, match="X has 5 features, but AutoencoderTransformer is expecting 6"):
        estimator.partial_fit(rows[:, :5])


def test_a_call_that_diverges_changes_nothing(rows, narrow):
    estimator = trained(narrow, rows, 1)
    before = estimator.transform(rows)
    with pytest.raises(TrainingDiverged, match="undercomplete diverged in epoch 2"):
        estimator.partial_fit(rows * 1e30)
    np.testing.assert_array_equal(estimator.transform(rows), before)
    assert estimator.partial_fit(rows).n_iter_ == 2
