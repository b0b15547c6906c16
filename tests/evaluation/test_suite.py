"""Every task reports the values of the pure functions, beside its baselines, or says why it cannot be evaluated."""

import dataclasses

import jax
import numpy as np
import pytest
from sklearn import metrics
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

import ae_jax
from ae_jax import InvalidInput
from ae_jax.corruptions import Gaussian
from ae_jax.data import Scaling, Split, from_arrays, from_splits
from ae_jax.evaluation import (
    METRICS,
    SCORES,
    TASKS,
    Context,
    active_fraction,
    anomaly_score,
    binarise,
    clustering_agreement,
    code_correlation,
    continuity,
    denoising_grid,
    evaluate,
    frechet_distance,
    jacobian_norm,
    kernel_distance,
    knn_accuracy,
    linear_probe_accuracy,
    log_likelihood,
    mean_activation,
    mean_squared_error,
    negative_elbo,
    precision_recall,
    psnr,
    retrieval_metrics,
    search,
    structural_similarity,
    thresholds_of,
    trustworthiness,
)
from ae_jax.evaluation import tasks as module
from ae_jax.evaluation.noise import with_noise
from ae_jax.evaluation.sampling import subsample
from ae_jax.training import batches as run_module

KEYS = {"autoencoder", "seed", "member", "metric", "value", "split"}
ABNORMAL = [1, 8]


def relabelled(dataset, labels):
    """The data set with other labels of its training and test split, made of those that it has."""
    train, test = (split._replace(labels=labels(split.labels)) for split in (dataset.train, dataset.test))
    return dataclasses.replace(dataset, train=train, test=test)


def found(answer, **keys):
    """Metric -> value of the rows of these keys; each metric once."""
    rows = [row for row in answer.rows if all(row.get(key) == value for key, value in keys.items())]
    values = {row["metric"]: row["value"] for row in rows}
    assert len(values) == len(rows) > 0
    return values


def flat(split):
    return split.x.reshape(len(split.x), -1).astype(np.float64) / 16


def pca_of(small):
    """Three components by scikit-learn, as a function from rows to codes and to reconstructions."""
    return PCA(3, svd_solver="full").fit(flat(small.train))


@pytest.fixture(scope="module")
def answers(run, small):
    """All tasks of a deterministic autoencoder."""
    return {answer.task: answer for answer in evaluate(run, small, "all", abnormal=ABNORMAL)}


@pytest.fixture(scope="module")
def generated(population, small):
    return {answer.task: answer for answer in evaluate(population, small, ["generation", "likelihood"], seed=3)}


def test_rows_are_in_long_format_and_their_metrics_known(answers, generated):
    assert ["summary", *answers] == list(TASKS)
    for answer in [*answers.values(), *generated.values()]:
        assert all(set(row) >= KEYS | (set(TASKS[answer.task].by) - {"trained_on"}) for row in answer.rows)
        assert {row["metric"] for row in answer.rows} <= set(METRICS)
        assert all(type(row["value"]) is float for row in answer.rows)
        assert not answer.rows or set(TASKS[answer.task].headline) & {row["metric"] for row in answer.rows}


@pytest.mark.parametrize("split", ["test", "validation"])
def test_the_summary_has_the_values_of_the_pure_functions(split, population, small):
    part = getattr(small, split)
    rows = evaluate(population, small, split=split, seed=3).rows
    x = part.x.astype(np.float32) / 16
    for member in range(4):
        one = population[member]
        keys = jax.vmap(jax.random.fold_in, (0, None))(jax.random.split(jax.random.key(3), len(x)), one.seeds[0])
        noisy = np.asarray(jax.vmap(Gaussian(scale=0.3))(keys, jax.numpy.asarray(x)))
        codes, train = one.encode(part.x), one.encode(small.train.x)
        expected = {
            "mse": mean_squared_error(one.reconstruct(x * 16) / 16, x),
            "psnr_corrupted": np.mean(psnr(one.reconstruct(noisy * 16) / 16, x)),
            "linear_probe_accuracy": linear_probe_accuracy(train, small.train.labels, codes, part.labels),
            "knn_accuracy": knn_accuracy(train, small.train.labels, codes, part.labels),
            "mean_activation": mean_activation(codes),
            "active_fraction": active_fraction(codes),
            "code_units": 3,
            "jacobian_norm": jacobian_norm(one, part.x).mean(),
            "relative_jacobian": jacobian_norm(one, part.x).mean() / codes.var(axis=0).sum() ** 0.5,
            **{name: values.mean() for name, values in negative_elbo(one, part.x, seed=3).items()},
            # 64 - 12 - two heads of 3, and 3 - 12 - 64, with biases.
            "parameters": (64 * 12 + 12 + 12 * 6 + 6) + (3 * 12 + 12 + 12 * 64 + 64),
        }
        of_member = [row for row in rows if row["member"] == member]
        assert {row["metric"]: row["value"] for row in of_member} == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert {(row["autoencoder"], row["seed"], row["split"]) for row in of_member} == {
            ("variational", [5, 6, 5, 6][member], split)
        }


def test_a_deterministic_autoencoder_has_no_bound_and_unlabelled_data_no_probes(run, small):
    bare = dataclasses.replace(small, train=Split(small.train.x), test=Split(small.test.x))
    values, unlabelled = (found(evaluate(run, data)[0]) for data in (small, bare))
    assert {"negative_elbo", "kl"}.isdisjoint(values)
    assert values == unlabelled | {name: values[name] for name in ("linear_probe_accuracy", "knn_accuracy")}


def test_tasks_share_their_programs(run, small):
    evaluate(run, small, ["reconstruction", "representation", "retrieval"])
    compiled = run_module._apply._cache_size()
    evaluate(run, small, ["reconstruction", "representation", "retrieval"], split="validation")
    assert run_module._apply._cache_size() == compiled  # 24 examples are padded to 32, as 20 are
    evaluate(run, small, ["retrieval", "reconstruction", "representation"])
    assert run_module._apply._cache_size() == compiled


def test_reconstruction_is_judged_beside_pca(answers, run, small):
    train, x = flat(small.train), flat(small.test)
    pca = pca_of(small)
    made = {
        "undercomplete": run.reconstruct(small.test.x).reshape(20, -1) / 16,
        "pca": pca.inverse_transform(pca.transform(x)),
    }
    for name, reconstruction in made.items():
        error = np.mean(np.square(reconstruction - x))
        expected = {
            "mse": error,
            "psnr": -10 * np.log10(error),
            "explained_variance": 1 - error * x.size / np.sum(np.square(x - train.mean(axis=0)[None])),
            "ssim": structural_similarity(reconstruction.reshape(-1, 8, 8), x.reshape(-1, 8, 8)).mean(),
        }
        values = found(answers["reconstruction"], autoencoder=name)
        assert values == pytest.approx(expected, rel=1e-4)
    assert answers["reconstruction"].messages == ()


def test_representation_is_judged_beside_pca(answers, run, small):
    pca = pca_of(small)
    codes = {
        "undercomplete": (run.encode(small.train.x), run.encode(small.test.x), jacobian_norm(run, small.test.x).mean()),
        "pca": (pca.transform(flat(small.train)), pca.transform(flat(small.test)), np.sqrt(3)),
    }
    for name, (train_codes, test_codes, norm) in codes.items():
        expected = {
            "knn_accuracy": knn_accuracy(train_codes, small.train.labels, test_codes, small.test.labels),
            "trustworthiness": trustworthiness(flat(small.test), test_codes),
            "continuity": continuity(flat(small.test), test_codes),
            "code_correlation": code_correlation(test_codes),
            "jacobian_norm": norm,
            "relative_jacobian": norm / test_codes.var(axis=0).sum() ** 0.5,
            **clustering_agreement(test_codes, small.test.labels, seed=0),
        }
        values = found(answers["representation"], autoencoder=name)
        assert {metric: values[metric] for metric in expected} == pytest.approx(expected, rel=1e-3, abs=1e-3)
        assert set(values) - set(expected) == {"linear_probe_accuracy", "mean_activation", "active_fraction"}


def test_detection_scores_the_split_against_normal_training_examples(answers, run, small):
    normal = small.train.x[~np.isin(small.train.labels, ABNORMAL)]
    abnormal = np.isin(small.test.labels, ABNORMAL)
    answer = answers["anomaly"]
    asked = set(SCORES) - {"negative_elbo"}
    assert {row["score"] for row in answer.rows if row["autoencoder"] == run.name} == asked
    for name in asked:
        scores = anomaly_score(run, name, normal).score(small.test.x)
        values = found(answer, autoencoder=run.name, score=name)
        assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(abnormal, scores))
        assert values["average_precision"] == pytest.approx(metrics.average_precision_score(abnormal, scores))
        assert set(values) == {"roc_auc", "average_precision", "precision_at_n"}
        np.testing.assert_array_equal(answer.curves[f"{run.name}, {name}"].scores, scores)
    areas = {name: found(answer, autoencoder=run.name, score=name)["roc_auc"] for name in asked}
    assert areas[answer.scorer.name] == max(areas.values())
    # Of the first 64 training digits, six are ones and six eights.
    for fragment in (
        "with 52 normal training",
        "12 of 64 training examples count as abnormal",
        "negative_elbo was left",
    ):
        assert any(fragment in message for message in answer.messages)


def test_detection_has_baselines_without_an_autoencoder(answers, small):
    train, x = flat(small.train), flat(small.test)
    abnormal = np.isin(small.test.labels, ABNORMAL)
    pca = pca_of(small)
    normal = train[~np.isin(small.train.labels, ABNORMAL)].astype(np.float32)
    near = NearestNeighbors(n_neighbors=5).fit(normal)
    expected = {
        ("pca", "reconstruction_error"): np.square(pca.inverse_transform(pca.transform(x)) - x).sum(axis=1),
        ("raw", "knn"): near.kneighbors(x)[0].mean(axis=1),
        ("raw", "isolation_forest"): -IsolationForest(random_state=0).fit(normal).score_samples(x),
    }
    for (autoencoder, score), scores in expected.items():
        values = found(answers["anomaly"], autoencoder=autoencoder, score=score)
        assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(abnormal, scores))
        judged = answers["anomaly"].curves[f"{autoencoder}, {score}"]
        np.testing.assert_allclose(judged.scores, scores, rtol=1e-4)
        np.testing.assert_array_equal(judged.abnormal, abnormal)


def test_retrieval_searches_the_training_split(answers, run, small):
    queries, database = run.encode(small.test.x), run.encode(small.train.x)
    pca = pca_of(small)
    pairs = {
        ("code", "euclidean"): (queries, database),
        ("code", "cosine"): (queries, database),
        ("code binarised", "hamming"): tuple(binarise(codes, thresholds_of(database)) for codes in (queries, database)),
        ("raw", "euclidean"): (flat(small.test), flat(small.train)),
        ("pca-3", "euclidean"): (pca.transform(flat(small.test)), pca.transform(flat(small.train))),
    }
    answer = answers["retrieval"]
    for (representation, distance), pair in pairs.items():
        order = search(*pair, k=64, metric=distance).indices
        expected = retrieval_metrics(order, small.test.labels, small.train.labels, k=64)
        del expected["queries_left_out"]
        values = found(answer, representation=representation, distance=distance)
        assert values == pytest.approx(expected, abs=2e-3)
    assert {row["k"] for row in answer.rows} == {64}
    assert {row["representation"] for row in answer.rows} == {name for name, _ in pairs} | {"random hyperplanes"}
    assert answer.messages == ("The 64 nearest of 64 training examples are judged.",)


def test_retrieval_says_what_was_cut_and_which_queries_had_no_answer(run, small, monkeypatch):
    monkeypatch.setattr(module, "_DATABASE", 32)
    monkeypatch.setattr(module, "_QUERIES", 10)
    lonely = dataclasses.replace(small, test=small.test._replace(labels=np.where(np.arange(20) == 0, 77, 3)))
    (answer,) = evaluate(run, lonely, ["retrieval"])
    assert answer.messages == (
        "The 32 nearest of 32 training examples are judged.",
        "Cut to 32 of 64 training examples and 10 of 20 queries, evenly spaced.",
        "1 of 10 queries were left out: no training example has their label.",
    )


def test_denoising_is_that_of_the_grid(answers, run, small):
    assert answers["denoising"].rows == denoising_grid(Context(evaluated=run, dataset=small))
    assert answers["denoising"].messages == ()


def test_generation_compares_samples_with_as_many_examples(generated, population, small):
    real = flat(small.test)
    samples = np.asarray(population.sample(20, seed=3)).reshape(4, 20, -1) / 16
    made = {("variational", member): samples[member] for member in range(4)}
    made["training data", None] = flat(small.train)[subsample(64, 20)]
    for (name, member), drawn in made.items():
        expected = {
            "frechet_distance": frechet_distance(real, drawn),
            "kernel_distance": kernel_distance(real, drawn),
            **precision_recall(real, drawn),
        }
        values = found(generated["generation"], autoencoder=name, member=member, features="data")
        assert values == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert {row["samples"] for row in generated["generation"].rows} == {20}


def test_likelihoods_are_estimated_beside_their_bound(generated, population, small):
    estimate = log_likelihood(population, small.test.x, samples=1000, seed=3)
    bound = negative_elbo(population, small.test.x, seed=3)
    for member in range(4):
        values = found(generated["likelihood"], member=member, autoencoder="variational", examples=20, samples=1000)
        assert values == pytest.approx(
            {
                "log_likelihood": estimate.log_likelihood[member].mean(),
                "effective_samples": estimate.effective_samples[member].mean(),
                "negative_elbo": bound["negative_elbo"][member].mean(),
                "kl": bound["kl"][member].mean(),
            },
            rel=1e-5,
        )
    assert "Log-likelihoods are of 20 examples, by 1,000 importance samples each." in generated["likelihood"].messages
    assert any(
        "under a Bernoulli likelihood, compare their values with care" in m for m in generated["likelihood"].messages
    )


def test_features_of_samples_are_the_caller_s(population, small):
    seen = []

    def brightness(x):
        seen.append(x.shape)
        return x.mean(axis=(1, 2), keepdims=True).reshape(-1, 1)

    (answer,) = evaluate(population[1], small, ["generation"], features=brightness, features_name="brightness")
    assert {row["features"] for row in answer.rows} == {"brightness"}
    assert set(seen) == {(20, 8, 8)}
    drawn = population[1].sample(20) / 16
    expected = frechet_distance(brightness(small.test.x / 16.0), brightness(drawn))
    values = found(answer, autoencoder="variational", features="brightness")
    assert values["frechet_distance"] == pytest.approx(expected, rel=1e-3)


def test_what_is_not_allowed_is_said_with_what_to_do(answers, run, small):
    assert answers["generation"].rows == []
    (message,) = answers["generation"].messages
    assert message.startswith(
        "The task generation could not be evaluated: undercomplete has no prior to sample from: expected a "
        "variational autoencoder"
    )
    (answer,) = evaluate(run, small, ["anomaly"])
    assert answer.rows == []
    assert answer.messages[0].startswith(
        "The task anomaly could not be evaluated: the labels of small are 0, 1, 2, 3, 4, ... (10 in all): "
        "expected 0 for normal and 1 for abnormal; say which of them count as abnormal by --abnormal"
    )


@pytest.mark.parametrize("labels", [lambda known: None, lambda known: known / 3])
def test_data_without_classes_leave_out_what_needs_them(run, small, labels):
    asked = evaluate(run, relabelled(small, labels), ["representation", "anomaly", "retrieval"], abnormal=ABNORMAL[:0])
    representation, *others = asked
    assert "knn_accuracy" not in {row["metric"] for row in representation.rows}
    assert "trustworthiness" in {row["metric"] for row in representation.rows}
    assert "were left out (linear probe, kNN, k-means): they need labels that are classes" in representation.messages[0]
    for answer in others:
        assert answer.rows == []
        assert "the test split of small has no labels that are classes: expected text or" in answer.messages[0]


def test_one_kind_alone_is_not_told_apart(run, small):
    ones = small.train._replace(labels=np.ones(64, int))
    for data, abnormal, sentence in (
        (small, range(10), "all 20 examples of the test split of small count as abnormal"),
        (dataclasses.replace(small, train=ones), [1], "all training examples count as abnormal: expected normal ones"),
    ):
        (answer,) = evaluate(run, data, ["anomaly"], abnormal=abnormal)
        assert answer.rows == []
        assert sentence in answer.messages[0]


def test_examples_that_are_no_images_have_no_ssim_and_another_range():
    x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    data = from_arrays(x, name="table")
    trained = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), data, epochs=1, batch_size=16)
    answer, summary = evaluate(trained, data, ["reconstruction", "summary"])
    width = np.ptp(data.train.x)
    in_decibels = f"PSNR and SSIM are relative to the training split's range, {width:.4g} model units."
    assert answer.messages == (
        in_decibels,
        "SSIM was left out: examples are not images of at least 3 pixels on a side.",
    )
    assert summary.messages == (in_decibels,)
    noisy = np.asarray(with_noise(jax.random.split(jax.random.key(0), len(data.test.x)), 0, data.test.x))
    denoised = trained.reconstruct(noisy)
    decibels = psnr(denoised, data.test.x, data_range=float(width)).mean()
    assert found(summary)["psnr_corrupted"] == pytest.approx(decibels, rel=1e-4)
    values = found(answer, autoencoder="undercomplete")
    assert values["psnr"] == pytest.approx(10 * np.log10(width**2 / values["mse"]))
    assert "ssim" not in values


def test_scores_that_are_not_finite_are_left_out_with_a_reason(run, small, with_nan):
    (answer,) = evaluate(with_nan(run, "decoder"), small, ["anomaly"], abnormal=ABNORMAL)
    # Codes are as they were; what is decoded is not.
    kept = {row["score"] for row in answer.rows if row["autoencoder"] == run.name}
    assert kept == {"mahalanobis", "knn_code"}
    for name in ("reconstruction_error", "whitened_error", "jacobian_corrected"):
        assert any(m.startswith(f"The score {name} was left out: ") and "NaN" in m for m in answer.messages)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_member_without_finite_outputs_takes_nothing_from_the_others(population, small, part, with_nan):
    def values(answer):
        keys = ("autoencoder", "member", "metric", "score", "representation", "distance", "corruption", "level")
        return {tuple(row.get(key) for key in keys): row["value"] for row in answer.rows}

    asked = ["reconstruction", "representation", "anomaly", "retrieval", "generation", "likelihood"]
    broken = with_nan(population, part, 1)
    answers = [evaluate(one, small, asked, abnormal=ABNORMAL) for one in (population, broken)]
    for whole, answer in zip(*answers, strict=True):
        before, after = values(whole), values(answer)
        assert before.keys() == after.keys()
        lost = {key for key, value in after.items() if np.isnan(value)}
        assert {key[1] for key in lost} <= {1}
        kept = before.keys() - lost
        np.testing.assert_allclose([after[key] for key in kept], [before[key] for key in kept], rtol=1e-4, atol=1e-4)
        marked = {row["member"] for row in answer.rows if row.get("finite") is False}
        assert marked == ({1} if lost else set())
        assert any("of member 1 are NaN or infinite" in message for message in answer.messages) == bool(lost)
        unharmed = {("encoder", "generation"), ("decoder", "representation"), ("decoder", "retrieval")}
        assert lost or (part, answer.task) in unharmed


def test_the_training_split_flatters_and_says_so(run, small):
    asked = ["reconstruction", "representation", "anomaly", "retrieval"]
    answers = evaluate(run, small, asked, split="train", abnormal=ABNORMAL)
    said = [[message for message in one.messages if message.startswith("This is the training")] for one in answers]
    assert [len(messages) for messages in said] == [0, 1, 1, 1]
    assert said[3] == ["This is the training split: every query finds itself; evaluate another one."]


def test_labels_that_name_no_classes_are_left_out_with_a_sentence(run, small):
    (answer,) = evaluate(run, relabelled(small, lambda known: np.arange(len(known))), ["representation"])
    assert {"knn_accuracy", "kmeans_nmi"}.isdisjoint({row["metric"] for row in answer.rows})
    assert "were left out (linear probe, kNN, k-means): they need labels that are classes" in answer.messages[0]


def test_arguments_are_refused_before_anything_is_asked(run, small):
    with pytest.raises(InvalidInput, match="unknown task 'retreival': did you mean 'retrieval'"):
        evaluate(run, small, "retreival")
    with pytest.raises(InvalidInput, match="expected both, or neither; name the features"):
        evaluate(run, small, "generation", features_name="inception")
    for seed in (-1, 2**32):
        with pytest.raises(InvalidInput, match=f"evaluate was given seed={seed}: expected (zero or )?a whole number"):
            evaluate(run, small, seed=seed)
    with pytest.raises(InvalidInput, match="unknown split 'tset': did you mean 'test'"):
        evaluate(run, small, split="tset")
    with pytest.raises(InvalidInput, match="unknown label '12': did you mean '2'\\? Known are 0, 1, 2"):
        evaluate(run, small, "reconstruction", abnormal=12)
    flat = from_splits(small.train.x.reshape(-1, 64), name="flat", scaling=small.scaling)
    with pytest.raises(InvalidInput, match=r"train split of flat has shape \(64, 64\): expected \[examples, 8, 8\]"):
        evaluate(run, flat, split="train")
    with pytest.raises(InvalidInput, match="the data set small has no test examples: expected some"):
        evaluate(run, dataclasses.replace(small, test=Split(small.test.x[:0])))
    assert evaluate(run, dataclasses.replace(small, scaling=Scaling(scale=np.float32(16)))).rows
    with pytest.raises(InvalidInput, match="expected data in the units trained on"):
        evaluate(run, dataclasses.replace(small, scaling=Scaling(scale=255.0)))


def test_a_conditional_autoencoder_is_evaluated_given_the_labels_of_each_split(small):
    trained = ae_jax.fit(ae_jax.conditional(classes=10, code=2, hidden=(8,)), small, epochs=1, batch_size=16)
    results = evaluate(
        trained, small, ["summary", "anomaly", "denoising", "generation", "likelihood"], abnormal=ABNORMAL
    )
    assert all(any(row["autoencoder"] == trained.name for row in result.rows) for result in results)
    assert not any("left out" in message for result in results for message in result.messages)
    made = trained.reconstruct(small.test.x, condition=small.test.labels) / 16
    assert found(results[0])["mse"] == pytest.approx(np.square(made - small.test.x / 16).mean(), rel=1e-4)
