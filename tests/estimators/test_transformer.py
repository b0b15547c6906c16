import jax
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from ae_jax import InvalidInput
from ae_jax.estimators import AutoencoderTransformer
from ae_jax.training.compilation import watch_compilation


@pytest.fixture(scope="module")
def order():
    return np.random.default_rng(0).permutation(60)


@pytest.fixture(scope="module")
def trained(narrow):
    """Parameters of the same programs that train well."""
    return narrow | {"epochs": 60, "hyperparameters": {"hidden": (8,), "learning_rate": 0.03}}


def test_codes_have_names_and_the_type_of_the_rows(fitted, rows):
    assert list(fitted.get_feature_names_out()) == ["autoencodertransformer0", "autoencodertransformer1"]
    codes = fitted.transform(rows)
    assert codes.shape == (60, 2)
    for kind in (np.float32, np.float64):
        assert fitted.transform(rows.astype(kind)).dtype == kind
        assert fitted.inverse_transform(codes.astype(kind)).dtype == kind
    assert fitted.transform(np.rint(rows).astype(int)).dtype == np.float64


def test_the_inverse_is_the_reconstruction_in_the_units_of_the_rows(fitted, rows):
    reconstructed = fitted.inverse_transform(fitted.transform(rows))
    np.testing.assert_allclose(reconstructed, fitted.run_.reconstruct(rows), rtol=1e-3, atol=1e-3)
    errors = np.square(fitted.scaling_(rows) - fitted.scaling_(reconstructed)).sum(axis=1)
    np.testing.assert_allclose(fitted.score(rows), -errors.mean(), rtol=1e-6)


def test_a_linear_autoencoder_reconstructs_as_principal_components_do(rows):
    linear = AutoencoderTransformer(
        code=2, hyperparameters={"hidden": (), "learning_rate": 0.02}, epochs=600, batch_size=60, random_state=0
    ).fit(rows)
    scaled = linear.scaling_(rows)
    components = PCA(2).fit(scaled)
    error = np.sum((components.inverse_transform(components.transform(scaled)) - scaled) ** 2, axis=1).mean()
    np.testing.assert_allclose(-linear.score(rows), error, rtol=1e-3)


def test_codes_of_another_size_are_refused(unchecked, fitted):
    with pytest.raises(InvalidInput, match=r"codes has shape \(4, 3\): expected \[examples, 2\]"):
        fitted.inverse_transform(np.zeros((4, 3)))


def test_a_pipeline_is_cross_validated(rows, trained, order):
    pipeline = make_pipeline(AutoencoderTransformer(**trained), KNeighborsClassifier())
    first_half = np.repeat([0, 1], 30)[order]
    assert cross_val_score(pipeline, rows[order], first_half, cv=2).mean() > 0.9


def test_a_grid_search_chooses_the_larger_code_by_reconstruction(rows, trained, order):
    grid = {"code": np.array([1, 2])}
    search = GridSearchCV(AutoencoderTransformer(**trained), grid, cv=2, error_score="raise").fit(rows[order])
    assert search.best_params_ == {"code": 2}
    assert search.best_score_ == search.cv_results_["mean_test_score"][1]


def test_a_hundred_thousand_rows_go_through_one_program(fitted, rows):
    fitted.transform(np.repeat(rows, 20, axis=0))
    with watch_compilation() as compilation:
        codes = fitted.transform(np.repeat(rows, 1700, axis=0))
    assert codes.shape == (102_000, 2)
    assert compilation.programs == 0
    assert jax.numpy.ones(1).dtype == np.float32  # double precision ends with the call
