"""``denoise``: reconstructions, and how near they are to clean examples."""

import jax
import numpy as np
import pytest

from ae_jax.corruptions import Masking, SaltAndPepper
from ae_jax.data import ReadOptions
from ae_jax.data.files import read


def test_denoise_writes_reconstructions(call, run_folder, run, file, x, labels):
    outcome = call("denoise", run_folder, "--data", file)
    assert outcome.ok().out == "64 examples\ndenoised.npy: float32, shape (64, 8, 8)\n"
    np.testing.assert_array_equal(outcome.array("denoised.npy"), run.reconstruct(x))
    outcome = call("denoise", run_folder, "--data", file, "--out", "x.parquet").ok()
    contents = read(outcome.folder / "x.parquet", ReadOptions(label="label", shape=(8, 8)))["all"]
    np.testing.assert_array_equal(contents.x, run.reconstruct(x))
    np.testing.assert_array_equal(contents.labels, labels)


def test_denoised_bytes_are_pictures_that_the_run_reads_again(call, run_folder, run, file, x):
    outcome = call("denoise", run_folder, "--data", file, "--out", "made/").ok()
    assert outcome.out.endswith("made/: 64 pictures of 8 x 8, rounded and clipped to bytes\n")
    expected = np.clip(np.rint(run.reconstruct(x)), 0, 255)
    np.testing.assert_array_equal(read(outcome.folder / "made")["all"].x, expected)
    assert call("reduce", run_folder, "--data", "made").ok().out.startswith("64 examples")
    call("denoise", run_folder, "--data", file, "--out", "made/").refused("the folder made is not empty")


def test_noise_is_added_by_a_seed_and_compared_with_the_clean_examples(call, run_folder, run, file, x):
    line = ["denoise", run_folder, "--data", file, "--corrupt", "masking:0.4", "--seed", 3]
    outcome = call(*line, "--picture", "strip.png", "--json")
    summary = outcome.json()
    clean = np.float32(x) / run.scaling.scale
    noisy = np.asarray(Masking(probability=0.4)(jax.random.key(3), jax.numpy.asarray(clean)))
    denoised = run.reconstruct(noisy * run.scaling.scale)
    np.testing.assert_allclose(outcome.array("denoised.npy"), denoised, atol=1e-4)
    for name, made in (("noisy", noisy), ("denoised", denoised / run.scaling.scale)):
        decibels = -10 * np.log10(np.square(made - clean).mean())
        assert summary["metrics"][f"psnr_{name}"] == pytest.approx(decibels, rel=1e-4)
    assert (summary["corruption"], summary["noise_seed"]) == ("Masking(probability=0.4)", 3)
    assert summary["data_range"] == 1.0
    outcome.picture("strip.png")


def test_salt_and_pepper_is_at_the_extremes_of_the_data(call, small_one, file, x):
    call("train", *small_one, "--scaling", "standard").ok()
    line = ["denoise", "runs/train-undercomplete-few", "--data", file, "--corrupt", "salt_and_pepper:0.5", "--json"]
    summary = call(*line).json()
    extremes = SaltAndPepper(probability=0.5, low=float(x.min()), high=float(x.max()))
    noisy = np.asarray(extremes(jax.random.key(0), jax.numpy.asarray(x, np.float32)))
    decibels = 10 * np.log10(float(np.ptp(x)) ** 2 / np.square(noisy - x).mean())
    assert summary["metrics"]["psnr_noisy"] == pytest.approx(decibels, rel=1e-4)


def test_clean_examples_may_be_in_a_file(call, run_folder, run, file, x, tmp_path):
    noisy = np.minimum(x + 3, 16).astype(np.uint8)
    np.save(tmp_path / "noisy.npy", noisy)
    summary = call("denoise", run_folder, "--data", "noisy.npy", "--clean", file, "--json").json()
    error = np.square((noisy.astype(float) - x) / run.scaling.scale).mean()
    assert summary["metrics"]["psnr_noisy"] == pytest.approx(-10 * np.log10(error), rel=1e-5)
    np.save(tmp_path / "less.npy", noisy[:5])
    call("denoise", run_folder, "--data", "less.npy", "--clean", file).refused("expected the same examples")


REFUSED = {
    "--seed 4294967296 --corrupt gaussian:0.1": "--seed was given 4294967296",
    "--clean {file} --split test": "--split was given test beside --clean",
    "--corrupt gaussian:5": "--corrupt was given Gaussian(scale=5.0), after which values",
    "--corrupt gauss:0.3": "unknown corruption 'gauss': did you mean 'gaussian'?",
    "--corrupt gaussian": "--corrupt was given 'gaussian': expected FAMILY:LEVEL",
    "--corrupt masking:2": "Masking was given probability=2.0",
    "--corrupt masking:0.1 --clean {file}": "denoise was given --corrupt and --clean",
    "--out made --picture made/p.png": "--picture was given made/p.png, inside the folder made",
    "--out x.txt": "x.txt has an unknown ending",
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("line", REFUSED)
def test_options_that_cannot_be_used_are_refused(call, run_folder, file, line):
    outcome = call("denoise", run_folder, "--data", file, *line.format(file=file).split())
    outcome.refused(REFUSED[line])
    assert list(outcome.folder.iterdir()) == []
