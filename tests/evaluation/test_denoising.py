import dataclasses
from functools import partial

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax.corruptions import Gaussian, Masking, SaltAndPepper
from ae_jax.data import Split, from_splits
from ae_jax.evaluation import (
    PCA,
    Context,
    LinearDenoiser,
    corrupted,
    denoising_grid,
    image_quality,
    structural_similarity,
    trained_on,
)
from ae_jax.evaluation.filters import FILTERS
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, Reconstruction
from ae_jax.training.population import stack

ONE = {"gaussian": {0.3: Gaussian(scale=0.3)}}
TWO = ONE | {"masking": {0.5: Masking(probability=0.5)}}


def decibels(error: float, data_range: float = 1.0) -> float:
    return 10 * np.log10(data_range**2 / error)


def values_of(rows, **wanted):
    """By metric, of the rows that have these values."""
    return {row["metric"]: row["value"] for row in rows if all(row[name] == value for name, value in wanted.items())}


def test_quality_is_of_the_mean_error_and_relative_to_the_range():
    rng = np.random.default_rng(0)
    clean = rng.uniform(size=(20, 10, 20)).astype(np.float32)
    made = clean + rng.normal(scale=0.1, size=clean.shape).astype(np.float32)
    found = image_quality(made, clean)
    assert found["psnr"] == pytest.approx(decibels(np.square(made.astype(np.float64) - clean).mean()))
    assert found["ssim"] == pytest.approx(structural_similarity(made, clean).mean())
    assert image_quality(made, clean, data_range=100.0)["psnr"] - found["psnr"] == pytest.approx(40.0)
    # Features are no images, and neither are images of two pixels on a side.
    assert set(image_quality(made.reshape(20, 200), clean.reshape(20, 200))) == {"psnr"}
    assert image_quality(clean, clean) == {"psnr": np.inf, "ssim": pytest.approx(1.0)}
    for nothing in (np.nan, np.inf):
        assert all(np.isnan(value) for value in image_quality(np.full_like(clean, nothing), clean).values())


def test_examples_that_no_corruption_reached_leave_the_gain_finite(run, small):
    black = dataclasses.replace(small, test=Split(0 * small.test.x))
    rows = denoising_grid(Context(evaluated=run, dataset=black), {"masking": TWO["masking"]})
    noisy = values_of(rows, autoencoder="noisy input")
    assert (noisy["psnr"], noisy["psnr_gain"]) == (np.inf, 0.0)


@pytest.mark.parametrize("family", TWO)
def test_baselines_are_clipped_and_the_best_on_validation_examples_with_other_noise(family, run, small):
    context, key = Context(evaluated=run, dataset=small, seed=2), jax.random.key(2)
    ((level, corruption),) = TWO[family].items()
    clean, kept = small.validation.x.astype(np.float32) / 16, 0.5 if family == "masking" else 1.0
    tuning = corrupted(corruption, jax.random.fold_in(key, 1), clean)
    noisy = corrupted(corruption, key, context.x)
    pca = PCA.fit(small, 64)

    def truncated(size):
        axes, mean = pca.fitted.components_[:size], pca.fitted.mean_
        return lambda x: ((x.reshape(-1, 64) - mean) @ axes.T @ axes + mean).reshape(x.shape)

    ways = {"pca": [truncated(3)], "tuned pca": [truncated(size) for size in np.geomspace(1, 64, 24).astype(int)]}
    ways |= {name: [partial(smooth, width=one) for one in widths] for name, (smooth, widths) in FILTERS.items()}
    rows = denoising_grid(context, {family: {level: corruption}})
    for name, restorations in ways.items():
        tried = [lambda x, f=f, scale=scale: np.clip(f(x / scale), 0, 1) for f in restorations for scale in (1.0, kept)]
        best = min(tried, key=lambda restore: np.square(restore(tuning) - clean).mean())
        found = values_of(rows, autoencoder=name)
        assert found["psnr"] == pytest.approx(image_quality(best(noisy), context.x)["psnr"], rel=1e-4), name


def test_an_autoencoder_with_the_weights_of_pca_has_its_values(run, small):
    pca = PCA.fit(small, 3).fitted
    layers = dataclasses.replace(ae_jax.undercomplete(), networks=MLP(hidden=(), code=3))
    linear = untrained(run, [layers], [0])
    encoder = {0: {"kernel": pca.components_.T[None], "bias": (-pca.components_ @ pca.mean_)[None]}}
    decoder = {0: {"kernel": pca.components_[None], "bias": pca.mean_[None]}}
    linear = dataclasses.replace(linear, params={"networks": {"encoder": encoder, "decoder": decoder}})
    rows = denoising_grid(Context(evaluated=linear, dataset=small), TWO)
    for family in TWO:
        values = [values_of(rows, autoencoder=name, corruption=family) for name in ("pca", "undercomplete")]
        assert values[1] == pytest.approx(values[0], rel=1e-4)


def test_the_linear_denoiser_is_the_closed_form_of_regression_and_of_wiener():
    rng, ridge = np.random.default_rng(0), 0.02
    x = (rng.uniform(size=(30_000, 5)) @ rng.uniform(size=(5, 5))).astype(np.float32)
    pca, key, others = PCA.fit(x, 5), jax.random.key(3), x[:7]
    mean, covariance = x.mean(axis=0, dtype=np.float64), np.cov(x.T.astype(np.float64))
    wiener = np.linalg.solve(covariance + 0.3**2 * np.eye(5), covariance)
    found = LinearDenoiser.fit(pca, x, Gaussian(scale=0.3), key).reconstruct(others)
    np.testing.assert_allclose(found, mean + (others - mean) @ wiener, rtol=1e-3)
    for corruption in (Masking(probability=0.5), SaltAndPepper(probability=0.2)):
        noisy = corrupted(corruption, jax.random.fold_in(key, 0), x).astype(np.float64)
        centre, moments = noisy.mean(axis=0), np.cov(noisy.T, bias=True)
        across = (noisy - centre).T @ (x - mean) / len(x)
        weights = np.linalg.solve(moments + ridge * np.trace(moments) / 5 * np.eye(5), across)
        found = LinearDenoiser.fit(pca, x, corruption, key).reconstruct(others, ridge=ridge)
        np.testing.assert_allclose(found, mean + (others - centre) @ weights, rtol=1e-3)


def test_nothing_beats_the_linear_denoiser_on_linear_gaussian_data(run):
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(6_000, 3)) @ rng.normal(size=(3, 8)) / 4 + 0.1 * rng.normal(size=(6_000, 8))).astype(
        "float32"
    )
    data = from_splits(x[:3_000], validation=x[3_000:4_000], test=x[4_000:], name="gaussian")
    denoiser = ae_jax.fit(ae_jax.denoising(code=8, hidden=(16,)), data, epochs=8, batch_size=64)
    rows = denoising_grid(Context(evaluated=denoiser, dataset=data), ONE)
    found = {row["autoencoder"]: row["value"] for row in rows if row["metric"] == "psnr_gain"}
    assert max(found, key=found.__getitem__) == "linear denoiser"
    assert 0 < found["pca"] <= found["tuned pca"] + 0.01


@pytest.mark.parametrize(
    ("seen", "corruption", "expected"),
    [
        (Gaussian(scale=0.3), Gaussian(scale=0.3), "matched"),
        (Gaussian(scale=0.3), Gaussian(scale=0.2), "blind"),
        (Masking(probability=0.3), Gaussian(scale=0.3), "blind"),
        (SaltAndPepper(probability=0.1, high=2.0), SaltAndPepper(probability=0.1), "blind"),
        (None, Gaussian(scale=0.3), "clean"),
    ],
)
def test_matched_is_the_same_corruption_at_the_same_level(seen, corruption, expected):
    for objective in (Reconstruction(corruption=seen), ELBO(corruption=seen)):
        autoencoder = dataclasses.replace(ae_jax.denoising(), objective=objective)
        assert trained_on(autoencoder, corruption) == expected


def untrained(run, autoencoders, seeds):
    """A population of other autoencoders, their parameters fresh."""
    made = [one.init(run.shape, jax.random.key(seed)) for one, seed in zip(autoencoders, seeds, strict=True)]
    params, state = jax.tree.map(lambda *leaves: np.stack(leaves), *made)
    return dataclasses.replace(
        run,
        autoencoder=stack(autoencoders),
        params=params,
        state=state,
        seeds=np.array(seeds),
        history={},
        best_epoch=np.zeros(len(seeds), int),
        finite=np.ones(len(seeds), bool),
        single=False,
    )


@pytest.fixture(scope="module")
def denoisers(run):
    """Two seeds at each of two levels of noise."""
    choices = [ae_jax.denoising(code=3, hidden=(12,), noise=noise) for noise in (0.3, 0.3, 0.5, 0.5)]
    return untrained(run, choices, [5, 6, 5, 6])


@pytest.fixture(scope="module")
def rows(denoisers, small):
    return denoising_grid(Context(evaluated=denoisers, dataset=small, seed=4), TWO, limit=15)


def test_every_member_s_values_are_those_of_its_own_reconstructions(rows, denoisers, small):
    x = small.test.x[[place * 20 // 15 for place in range(15)]].astype(np.float32) / 16
    damaged = corrupted(TWO["gaussian"][0.3], jax.random.key(4), x)
    for member in range(4):
        reconstruction = np.clip(denoisers[member].reconstruct(damaged * 16) / 16, 0, 1)
        found = values_of(rows, autoencoder="denoising", member=member, corruption="gaussian")
        assert found["psnr"] == pytest.approx(decibels(np.square(reconstruction - x).mean()), rel=1e-5)
        assert found["ssim"] == pytest.approx(structural_similarity(reconstruction, x).mean(), rel=1e-4)
        assert found["psnr_gain"] == pytest.approx(found["psnr"] - decibels(np.square(damaged - x).mean()), rel=1e-4)


def test_rows_say_what_was_trained_on_and_whose_they_are(rows):
    keys = {"autoencoder", "seed", "member", "metric", "value", "split", "corruption", "level", "trained_on"}
    assert all(set(row) == keys for row in rows)
    assert {row["split"] for row in rows} == {"test"}
    assert all(type(row["value"]) is float and np.isfinite(row["value"]) for row in rows)
    of_noise = [row for row in rows if row["corruption"] == "gaussian" and row["metric"] == "psnr"]
    assert [(row["autoencoder"], row["seed"], row["member"], row["trained_on"]) for row in of_noise] == [
        ("noisy input", None, None, None),
        ("pca", None, None, "clean"),
        ("tuned pca", None, None, "clean"),
        ("linear denoiser", None, None, "matched"),
        ("gaussian filter", None, None, "matched"),
        ("median filter", None, None, "matched"),
        ("denoising", 5, 0, "matched"),
        ("denoising", 6, 1, "matched"),
        ("denoising", 5, 2, "blind"),
        ("denoising", 6, 3, "blind"),
    ]
    masked = {row["trained_on"] for row in rows if row["corruption"] == "masking" and row["autoencoder"] == "denoising"}
    assert masked == {"blind"}
    assert len(rows) == 2 * 10 * 4


def test_a_single_run_and_members_that_are_not_finite_say_so(run, denoisers, small, with_nan):
    alone = denoising_grid(Context(evaluated=run, dataset=small), ONE)
    assert {(row["seed"], row["trained_on"]) for row in alone if row["autoencoder"] == "undercomplete"} == {
        (5, "clean")
    }
    finite = np.array([True, False, True, True])
    diverged = denoising_grid(Context(evaluated=dataclasses.replace(denoisers, finite=finite), dataset=small), ONE)
    assert {row["member"] for row in diverged if row.get("finite") is False} == {1}
    broken = denoising_grid(Context(evaluated=with_nan(denoisers, "decoder", 2), dataset=small), ONE)
    assert {row["member"] for row in broken if row.get("finite") is False} == {2}
    assert all(np.isnan(row["value"]) == (row.get("finite") is False) for row in broken)


def test_data_beyond_the_unit_interval_are_judged_by_their_training_range(run, small):
    train, validation, test = (split.x[:, 0] * 4 - 7.0 for split in (small.train, small.validation, small.test))
    data = from_splits(train, validation=validation, test=test, name="rows")
    assert not data.spec.unit_interval
    flat = untrained(dataclasses.replace(run, data=data.spec), [ae_jax.undercomplete(code=8, hidden=())], [0])
    rows = denoising_grid(Context(evaluated=flat, dataset=data), ONE)
    noisy = corrupted(ONE["gaussian"][0.3], jax.random.key(0), data.test.x.astype(np.float32))
    width = data.train.x.max() - data.train.x.min()
    expected = decibels(np.square(noisy - data.test.x).mean(), width)
    assert values_of(rows, autoencoder="noisy input")["psnr"] == pytest.approx(expected, rel=1e-5)
    assert {row["autoencoder"] for row in rows} == {
        "noisy input",
        "pca",
        "tuned pca",
        "linear denoiser",
        "undercomplete",
    }
    # Salt and pepper is at the extremes of the training split.
    rows = denoising_grid(Context(evaluated=flat, dataset=data))
    extremes = SaltAndPepper(probability=0.5, low=-7.0, high=4.0 * float(small.train.x[:, 0].max()) - 7.0)
    noisy = corrupted(extremes, jax.random.key(0), data.test.x.astype(np.float32))
    found = values_of(rows, autoencoder="noisy input", corruption="salt_and_pepper", level=0.5)
    assert found["psnr"] == pytest.approx(decibels(np.square(noisy - data.test.x).mean(), width), rel=1e-5)
    # Without validation examples, training examples are chosen on, and nothing is missing.
    bare = dataclasses.replace(data, validation=Split(data.validation.x[:0]))
    assert len(denoising_grid(Context(evaluated=flat, dataset=bare))) == len(rows)
