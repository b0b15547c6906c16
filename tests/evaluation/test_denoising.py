import dataclasses

import jax
import numpy as np
import pytest
from scipy import ndimage, special
from sklearn.decomposition import PCA

import ae_jax
from ae_jax import InvalidInput
from ae_jax.corruptions import Gaussian, Masking, SaltAndPepper
from ae_jax.data import Scaling, Split, from_splits
from ae_jax.evaluation import denoising, psnr_corrupted
from ae_jax.evaluation.denoising import (
    FAMILIES,
    corrupted,
    denoising_baselines,
    denoising_grid,
    evaluate_denoising,
    is_matched,
    trained_on,
)
from ae_jax.evaluation.filters import FILTERS
from ae_jax.evaluation.reconstruction import structural_similarity
from ae_jax.objectives import ELBO, Reconstruction
from ae_jax.training.population import stack

KEY = jax.random.key(3)
ONE = {"gaussian": {0.3: Gaussian(scale=0.3)}}
TWO = ONE | {"masking": {0.5: Masking(probability=0.5)}}


def identity(x: np.ndarray) -> np.ndarray:
    return x


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(500, 5, 8)).astype(np.float32)


@pytest.mark.parametrize("scale", [0.05, 0.3, 2.0])
def test_gaussian_noise_that_nobody_removes_leaves_its_own_level(scale, x):
    examples, features = len(x), x[0].size
    # The error of an example is s^2 chi^2_d / d, of which E log = digamma(d/2) - log(d/2), Var log = trigamma(d/2).
    decibels = 10 / np.log(10)
    mean = -20 * np.log10(scale) - decibels * (special.digamma(features / 2) - np.log(features / 2))
    standard_error = decibels * np.sqrt(special.polygamma(1, features / 2) / examples)
    found = psnr_corrupted(identity, Gaussian(scale=scale), KEY, x)
    assert abs(found - mean) < 4 * standard_error < 0.2


def test_every_reconstruction_is_judged_against_the_clean_example(x):
    # A perfect denoiser is exact, whatever the damage; the mean image does not depend on it.
    assert np.isposinf(psnr_corrupted(lambda _: x, SaltAndPepper(probability=0.5), KEY, x))
    found = psnr_corrupted(lambda damaged: np.full_like(damaged, 0.5), Masking(probability=1.0), KEY, x)
    np.testing.assert_allclose(found, np.mean(-10 * np.log10(np.square(x - 0.5).mean(axis=(1, 2)))), rtol=1e-5)


def test_without_damage_it_is_the_plain_ratio(x):
    damaged = psnr_corrupted(lambda seen: seen + np.float32(0.01), Gaussian(scale=0.0), KEY, x)
    np.testing.assert_allclose(damaged, 40.0, rtol=1e-4)


def test_the_key_decides_the_damage(x):
    seen = []

    def remember(damaged: np.ndarray) -> np.ndarray:
        seen.append(damaged)
        return damaged

    ratios = [psnr_corrupted(remember, Gaussian(scale=0.3), key, x) for key in (KEY, KEY, jax.random.key(4))]
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], corrupted(Gaussian(scale=0.3), KEY, x))
    assert not np.array_equal(seen[0], seen[2])
    assert ratios[0] == ratios[1] != ratios[2]
    assert all(isinstance(damaged, np.ndarray) and damaged.shape == x.shape for damaged in seen)


def decibels(error: float, data_range: float = 1.0) -> float:
    return 10 * np.log10(data_range**2 / error)


def values_of(rows, **wanted):
    """By metric, of the rows that have these values."""
    return {row["metric"]: row["value"] for row in rows if all(row[name] == value for name, value in wanted.items())}


def test_families_are_the_three_of_vincent_at_four_levels():
    assert {name: list(levels) for name, levels in FAMILIES.items()} == {
        "gaussian": [0.1, 0.2, 0.3, 0.5],
        "masking": [0.1, 0.25, 0.5, 0.75],
        "salt_and_pepper": [0.05, 0.1, 0.25, 0.5],
    }
    x = np.full((40, 50), 0.5, np.float32)
    for family, levels in FAMILIES.items():
        for level, corruption in levels.items():
            damaged = corrupted(corruption, KEY, x)
            share = np.std(damaged - x) if family == "gaussian" else np.mean(damaged != x)
            # Five standard errors of a standard deviation, and of a share.
            error = level / 4000**0.5 if family == "gaussian" else (level * (1 - level) / 2000) ** 0.5
            assert abs(share - level) < 5 * error
            assert family == "gaussian" or set(np.unique(damaged)) <= {0.0, 0.5, 1.0}


def test_the_grid_is_the_error_and_the_similarity_of_every_method_under_the_same_damage(x):
    images = x.reshape(100, 10, 20)
    seen = []

    def halve(damaged: np.ndarray) -> np.ndarray:
        seen.append(damaged)
        return 0.5 * damaged

    rows = denoising_grid({"halve": halve, "clean": lambda _: images + np.float32(0.01)}, images, families=TWO, seed=7)
    assert len(rows) == 2 * 3 * 4
    for family, (level, corruption) in ((name, *levels.items()) for name, levels in TWO.items()):
        damaged = corrupted(corruption, jax.random.key(7), images)
        np.testing.assert_array_equal(seen.pop(0), damaged)
        methods = {"noisy input": damaged, "halve": 0.5 * damaged, "clean": images + np.float32(0.01)}
        noise = {}
        for method, reconstruction in methods.items():
            psnr = decibels(np.square(reconstruction.astype(np.float64) - images).mean())
            ssim = structural_similarity(reconstruction, images).mean()
            noise = noise or {"psnr": psnr, "ssim": ssim}
            expected = {
                "psnr": psnr,
                "ssim": ssim,
                "psnr_gain": psnr - noise["psnr"],
                "ssim_gain": ssim - noise["ssim"],
            }
            found = values_of(rows, method=method, corruption=family, level=level)
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert values_of(rows, method="clean", corruption="masking")["psnr"] == pytest.approx(40.0, rel=1e-4)


def test_what_is_no_image_has_no_similarity(x):
    assert values_of(denoising_grid({}, x.reshape(500, 40), families=ONE)).keys() == {"psnr", "psnr_gain"}
    assert values_of(denoising_grid({}, x.reshape(500, 20, 2), families=ONE)).keys() == {"psnr", "psnr_gain"}


def test_decibels_are_relative_to_the_range_of_the_data(x):
    flat = x.reshape(500, 40)
    narrow, wide = (values_of(denoising_grid({}, flat, families=ONE, data_range=size)) for size in (1.0, 100.0))
    assert wide["psnr"] - narrow["psnr"] == pytest.approx(40.0)
    with pytest.raises(InvalidInput, match=r"denoising_grid was given data_range=0.0: expected a number above zero"):
        denoising_grid({}, flat, families=ONE, data_range=0.0)


def test_examples_that_no_damage_reached_leave_the_ratio_finite():
    # Masking cannot harm a black image, and leaves half of those with one white pixel whole.
    x = np.zeros((50, 9), np.float32)
    assert values_of(denoising_grid({}, x, families={"masking": {0.5: Masking(probability=0.5)}})) == {
        "psnr": np.inf,
        "psnr_gain": 0.0,
    }
    x[:, 4] = 1.0
    found = values_of(denoising_grid({}, x, families={"masking": {0.5: Masking(probability=0.5)}}))
    # One pixel of nine is wrong in half of the images: 12.55 dB, within four standard errors of a share of fifty.
    assert abs(10 ** (-found["psnr"] / 10) * 9 - 0.5) < 4 * (0.25 / 50) ** 0.5
    exact = values_of(denoising_grid({"exact": lambda _: x}, x, families=TWO), method="exact", corruption="masking")
    assert exact == {"psnr": np.inf, "psnr_gain": np.inf}


def test_baselines_are_made_for_each_corruption(x):
    made = []

    def baselines(corruption):
        made.append(corruption)
        return {"mean": lambda damaged: np.full_like(damaged, 0.5)}

    rows = denoising_grid({"identity": identity}, x, baselines=baselines, families=TWO)
    assert made == [Gaussian(scale=0.3), Masking(probability=0.5)]
    assert {row["method"] for row in rows} == {"noisy input", "mean", "identity"}
    for name in ("mean", "noisy input"):
        with pytest.raises(InvalidInput, match=f"was given the methods noisy input, mean, {name}: expected each name"):
            denoising_grid({name: identity}, x, baselines=baselines, families=ONE)


@pytest.fixture(scope="module")
def splits(digits):
    """Training, validation and test images of digits in [0, 1]."""
    return [split.x.astype(np.float32) / 16 for split in (digits.train, digits.validation, digits.test)]


def test_the_baselines_are_pca_of_clean_images_and_filters_of_the_best_width(splits):
    train, validation, test = splits
    made = denoising_baselines(train, validation, code=10, seed=2)
    pca = PCA(10, svd_solver="full").fit(train.reshape(-1, 64))
    expected = pca.inverse_transform(pca.transform(test.reshape(-1, 64))).reshape(-1, 8, 8)
    chosen = []
    for scale in (0.1, 0.3, 1.0):
        methods = made(Gaussian(scale=scale))
        assert list(methods) == ["pca", *FILTERS]
        np.testing.assert_allclose(methods["pca"](test), expected, atol=1e-4)
        # Some width of the grid, by what it does to the test images, and the best of the validation images.
        found = methods["gaussian filter"](test)
        widths = FILTERS["gaussian filter"][1]
        blurred = {width: ndimage.gaussian_filter(test, (0, width, width)) for width in widths}
        chosen.append(next(width for width in widths if np.array_equal(found, blurred[width])))
        noisy = validation + scale * np.random.default_rng(0).normal(size=validation.shape)
        errors = [np.square(ndimage.gaussian_filter(noisy, (0, w, w)) - validation).mean() for w in widths]
        assert abs(widths.index(chosen[-1]) - int(np.argmin(errors))) <= 1
    assert chosen == sorted(chosen)
    assert chosen[0] < chosen[2]


def test_widths_are_not_chosen_under_the_damage_of_the_comparison(splits, monkeypatch):
    seen = []
    monkeypatch.setattr(denoising, "best_width", lambda smooth, widths, noisy, clean: seen.append(noisy) or widths[0])
    denoising_baselines(splits[0], splits[1], code=2, seed=0)(Gaussian(scale=0.3))
    same_place = corrupted(Gaussian(scale=0.3), jax.random.key(0), splits[1][: len(seen[0])])
    assert np.abs(seen[0] - same_place).mean() > 0.1


def test_data_that_are_no_images_have_no_filters(splits):
    flat = [x.reshape(len(x), 64) for x in splits]
    methods = denoising_baselines(flat[0], flat[1], code=64)(Gaussian(scale=0.3))
    assert list(methods) == ["pca"]
    # All components are the identity.
    np.testing.assert_allclose(methods["pca"](flat[2]), flat[2], atol=1e-4)


def test_baselines_that_cannot_be_made_are_refused(splits):
    with pytest.raises(InvalidInput, match=r"PCA was given 65 components: expected at most 64, the data's features"):
        denoising_baselines(splits[0], splits[1], code=65)
    with pytest.raises(InvalidInput, match=r"given no validation examples: expected some to choose widths on"):
        denoising_baselines(splits[0], splits[1][:0], code=2)


@pytest.mark.parametrize(
    ("seen", "corruption", "expected"),
    [
        (Gaussian(scale=0.3), Gaussian(scale=0.3), "matched"),
        (Gaussian(scale=np.float32(0.3)), Gaussian(scale=0.3), "matched"),
        (Gaussian(scale=0.3), Gaussian(scale=0.2), "blind"),
        (Masking(probability=0.3), Gaussian(scale=0.3), "blind"),
        (SaltAndPepper(probability=0.1, high=2.0), SaltAndPepper(probability=0.1), "blind"),
        (identity, identity, "matched"),
        (identity, Gaussian(scale=0.3), "blind"),
        (None, Gaussian(scale=0.3), "clean"),
    ],
)
def test_matched_is_the_same_corruption_at_the_same_level(seen, corruption, expected):
    for objective in (Reconstruction(corruption=seen), ELBO(corruption=seen)):
        autoencoder = dataclasses.replace(ae_jax.denoising(), objective=objective)
        assert trained_on(autoencoder, corruption) == expected
        assert is_matched(autoencoder, corruption) is (expected == "matched")


def untrained(run, autoencoders, seeds):
    """A population of other autoencoders, their parameters fresh."""
    params = [one.init(run.shape, jax.random.key(seed)) for one, seed in zip(autoencoders, seeds, strict=True)]
    return dataclasses.replace(
        run,
        autoencoder=stack(autoencoders),
        params=jax.tree.map(lambda *leaves: np.stack(leaves), *params),
        seeds=np.array(seeds),
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
    return evaluate_denoising(denoisers, small, families=TWO, seed=4, limit=15)


def test_every_member_s_values_are_those_of_its_own_reconstructions(rows, denoisers, small):
    x = small.test.x[[place * 20 // 15 for place in range(15)]].astype(np.float32) / 16
    damaged = corrupted(TWO["masking"][0.5], jax.random.key(4), x)
    for member in range(4):
        reconstruction = denoisers[member].reconstruct(damaged * 16) / 16
        found = values_of(rows, autoencoder="denoising", member=member, corruption="masking")
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
        ("noisy input", None, 0, None),
        ("pca", None, 0, "clean"),
        ("gaussian filter", None, 0, "matched"),
        ("median filter", None, 0, "matched"),
        ("denoising", 5, 0, "matched"),
        ("denoising", 6, 1, "matched"),
        ("denoising", 5, 2, "blind"),
        ("denoising", 6, 3, "blind"),
    ]
    masked = {row["trained_on"] for row in rows if row["corruption"] == "masking" and row["autoencoder"] == "denoising"}
    assert masked == {"blind"}
    assert len(rows) == 2 * 8 * 4


def test_a_single_run_and_a_member_that_diverged_say_so(run, denoisers, small):
    alone = evaluate_denoising(run, small, families=ONE)
    assert {(row["seed"], row["trained_on"]) for row in alone if row["autoencoder"] == "undercomplete"} == {
        (5, "clean")
    }
    finite = np.array([True, False, True, True])
    diverged = evaluate_denoising(dataclasses.replace(denoisers, finite=finite), small, families=ONE)
    assert {row["member"] for row in diverged if row.get("finite") is False} == {1}


def test_data_beyond_the_unit_interval_are_judged_by_their_training_range(run, small):
    data = from_splits(*(split.x[:, 0] * 4 - 7.0 for split in (small.train, small.validation, small.test)), name="rows")
    assert not data.spec.unit_interval
    flat = untrained(dataclasses.replace(run, data=data.spec), [ae_jax.undercomplete(code=8, hidden=())], [0])
    rows = evaluate_denoising(flat, data, families=ONE)
    noisy = corrupted(ONE["gaussian"][0.3], jax.random.key(0), data.test.x.astype(np.float32))
    expected = decibels(np.square(noisy - data.test.x).mean(), data.train.x.max() - data.train.x.min())
    assert values_of(rows, autoencoder="noisy input")["psnr"] == pytest.approx(expected, rel=1e-5)
    assert {row["autoencoder"] for row in rows} == {"noisy input", "pca", "undercomplete"}
    # Without validation examples, which tables do not need, nothing is missing.
    bare = dataclasses.replace(data, validation=Split(data.validation.x[:0]))
    assert evaluate_denoising(flat, bare, families=ONE) == rows


def test_data_that_are_not_the_run_s_are_refused(run, small):
    with pytest.raises(
        InvalidInput, match=r"small has Scaling\(.*255.0\) and the run Scaling\(.*16.0\): .* trained on"
    ):
        evaluate_denoising(run, dataclasses.replace(small, scaling=Scaling(scale=255.0)))
    flat = from_splits(small.train.x.reshape(-1, 64), name="flat", scaling=small.scaling)
    with pytest.raises(
        InvalidInput, match=r"the train split of flat has shape \(64, 64\): expected \[examples, 8, 8\]"
    ):
        evaluate_denoising(run, flat, split="train")
    with pytest.raises(InvalidInput, match="unknown split 'tset': did you mean 'test'"):
        evaluate_denoising(run, small, split="tset")
    with pytest.raises(InvalidInput, match="evaluate_denoising was given limit=0: expected a whole number above zero"):
        evaluate_denoising(run, small, limit=0)


def test_reconstructions_that_are_not_finite_have_no_ratio(x):
    for nothing in (np.nan, np.inf):
        methods = {"broken": lambda x, nothing=nothing: np.where(x > x.mean(), nothing, x).astype(np.float32)}
        values = values_of(denoising_grid(methods, x, families=ONE), method="broken")
        assert all(np.isnan(value) for value in values.values())


def test_a_member_that_reconstructs_nothing_finite_says_so(denoisers, small):
    decoder = jax.tree.map(lambda leaf: np.array(leaf), denoisers.params["decoder"])
    for leaf in jax.tree.leaves(decoder):
        leaf[2] = np.nan
    broken = dataclasses.replace(denoisers, params=denoisers.params | {"decoder": decoder})
    rows = evaluate_denoising(broken, small, families=ONE)
    assert {row["member"] for row in rows if row.get("finite") is False} == {2}
    assert all(np.isnan(row["value"]) == (row.get("finite") is False) for row in rows)
