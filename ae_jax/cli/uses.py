"""The uses of one trained autoencoder: ``reduce``, ``denoise``, ``detect``, ``search``, ``sample``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from ae_jax.cli.options import SEED, WHOLE, Json, one, read_corruption, read_number, several
from ae_jax.cli.populations import Label, RunFolder, Source
from ae_jax.cli.populations import Rows as SplitName
from ae_jax.cli.saving import writable_picture
from ae_jax.cli.using import Use, drawn
from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ae_jax.data import RawData
    from ae_jax.training import Run

_POINTS = 2000
"""How many examples a map shows."""

Member = Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: the first that did not diverge)")]
Table = Annotated[str, one(str, "FILE")]
Examples = Annotated[str, one(str, "FILE|FOLDER")]
Picture = Annotated[Path | None, one(Path, "FILE.png"), arg(help_behavior_hint="(default: none)")]
Corrupt = Annotated[
    Any, one(read_corruption, "FAMILY:LEVEL"), arg(help_behavior_hint="(default: the examples are noisy already)")
]
Clean = Annotated[
    str | None, one(str, "NAME|PATH"), arg(help_behavior_hint="(default: with --corrupt the examples, else none)")
]
Reference = Annotated[
    str | None,
    one(str, "NAME|PATH"),
    arg(help_behavior_hint="(default: the training split of what the run was trained on, if that has a name)"),
]
Share = Annotated[float | None, one(read_number, "X"), arg(help_behavior_hint="(default: nothing is called abnormal)")]
Abnormal = Annotated[
    Any, several(str, "LABEL", least=1), arg(help_behavior_hint="(default: 1, where the labels are 0 and 1)")
]
Queries = Annotated[
    str | None,
    one(str, "NAME|PATH"),
    arg(help_behavior_hint="(default: the test split of a data set by name; each row of a file, but not for itself)"),
]
QueryLabel = Annotated[str | None, one(str, "NAME"), arg(help_behavior_hint="(default: as --label, if they have it)")]
DatabaseSplit = Annotated[
    str | None, one(str, "NAME"), arg(help_behavior_hint="(default: train of a data set by name, all of a file)")
]
Metric = Annotated[
    str | None, one(str, "NAME"), arg(help_behavior_hint="(default: hamming with --binarise, else euclidean)")
]
Flag = Annotated[bool, arg(help_behavior_hint="")]


def reduce(
    run: RunFolder,
    *,
    data: Source = None,
    label: Label = None,
    split: SplitName = None,
    member: Member = None,
    out: Table = "codes.csv",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes data as few numbers: a code for each example, and a map of them.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      data: a data set by its name, tfds:NAME, a file or folder, or a single image; of a table, the columns that the run
        was trained on.
      label: name of the label column of a table, or of the labels in a .npz or .mat file.
      split: train, validation, test or all.
      member: number of the member, from 0.
      out: file for the codes: .csv, .tsv or .parquet with columns z0, z1, ... and label; or .npy, [examples, code].
      picture: file for a map of the codes in two dimensions, by label; of at most 2,000 examples, evenly spaced.
      json: print a summary as JSON instead of lines.
    """
    from ae_jax.data.writing import require_writable

    require_writable(out)
    picture = writable_picture(picture, out)
    use = Use.of("reduce", run, member)
    examples = use.examples(data, split, label)
    codes = use.run.encode(examples.x)
    use.summary.update({"examples": len(codes), "code": codes.shape[1]})
    use.lines.append(f"{len(codes):,} examples in {codes.shape[1]} numbers each")
    png = drawn(picture, lambda: map_of(use.run, examples))
    use.write_codes(out, codes, examples.labels)
    use.write_picture(picture, png)
    return use.told(json)


def denoise(
    run: RunFolder,
    *,
    data: Source = None,
    split: SplitName = None,
    member: Member = None,
    corrupt: Corrupt = None,
    seed: Annotated[int, SEED] = 0,
    clean: Clean = None,
    out: Examples = "denoised.npy",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes what the autoencoder makes of noisy examples, in the units of the data.

    Prints, where the clean examples are known, PSNR in decibels (of all examples together, in model units; the range is
    1 of data in [0, 1], else that of the clean examples) and the mean SSIM of images, before and after.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      data: noisy examples, or with --corrupt clean ones: a data set by its name, tfds:NAME, a file or folder, or a
        single image.
      split: train, validation, test or all; with --clean of data sets by name only.
      member: number of the member, from 0.
      corrupt: damage that is done first, its level in model units: gaussian:STANDARD_DEVIATION, masking:PROBABILITY or
        salt_and_pepper:PROBABILITY.
      seed: of the damage.
      clean: the same examples without noise, to judge by.
      out: .npy, .csv, .tsv or .parquet; of images also a folder for pictures 000000.png, ..., in which bytes are
        rounded and clipped, and other numbers go from black at the least to white at the greatest value trained on.
      picture: file for some examples, clean, noisy and denoised.
      json: print a summary as JSON instead of lines.
    """
    from ae_jax.cli import denoising
    from ae_jax.data.writing import require_writable

    if corrupt is not None and clean is not None:
        raise InvalidInput("denoise was given --corrupt and --clean: expected one, as with --corrupt --data is clean.")
    corruption = None if corrupt is None else denoising.corruption_of(*corrupt)
    picture, use = writable_picture(picture, out), Use.of("denoise", run, member)
    require_writable(out, shape=use.run.shape)
    denoising.require_same_rows(use, data, clean, split)
    examples = use.examples(data, split)
    noisy, known = denoising.noisy_and_clean(use, examples.x, corruption, seed, clean, split)
    denoised = use.run.reconstruct(noisy)
    use.summary.update({"examples": len(denoised)})
    use.lines.append(f"{len(denoised):,} examples")
    if corrupt is not None:
        use.summary.update({"corruption": corrupt[0], "level": corrupt[1], "noise_seed": seed})
    if known is not None:
        denoising.judge_denoising(use, noisy, denoised, known)
    png = drawn(picture, lambda: denoising.denoising_figure(known, noisy, denoised))
    use.write_data(out, denoised, examples.labels)
    use.write_picture(picture, png)
    return use.told(json)


def detect(
    run: RunFolder,
    *,
    data: Source = None,
    label: Label = None,
    split: SplitName = None,
    member: Member = None,
    score: Annotated[str, one(str, "NAME")] = "reconstruction_error",
    reference: Reference = None,
    contamination: Share = None,
    abnormal: Abnormal = None,
    explain: Annotated[int, WHOLE] = 0,
    out: Table = "scores.csv",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes how abnormal each example is; the higher its score, the more.

    Prints ROC AUC and average precision where labels say what is abnormal.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      data: a data set by its name, tfds:NAME, a file or folder, or a single image; of a table, the columns that the run
        was trained on.
      label: name of the label column of a table, or of the labels in a .npz or .mat file.
      split: train, validation, test or all.
      member: number of the member, from 0.
      score: reconstruction_error, in squared model units; whitened_error, relative to each feature's usual error;
        mahalanobis, of the code; knn_code, distance of the code to its nearest neighbours; error_and_knn, sum of the
        logarithms of reconstruction_error and knn_code; jacobian_corrected, in nats; negative_elbo, in nats, of a
        variational autoencoder.
      reference: normal examples to compare with, of a data set by name its training split.
      contamination: share of the reference that is abnormal, above 0 and at most 0.5; an example is called abnormal (1)
        if its score is above the quantile of the reference's scores that leaves so many.
      abnormal: labels of what is abnormal.
      explain: how many features to name, those that contribute most to each score, in its units.
      out: .csv, .tsv, .parquet or .npy: index, score, and abnormal, label, feature_1, contribution_1, ... where known.
      picture: file for the most and the least abnormal examples.
      json: print a summary as JSON instead of lines.
    """
    import numpy as np

    from ae_jax.cli import detection
    from ae_jax.data.writing import require_writable
    from ae_jax.evaluation import anomaly_score

    require_writable(out)
    picture = writable_picture(picture, out)
    use = Use.of("detect", run, member)
    detection.require_detection(use.run, score, contamination, explain)
    examples = use.examples(data, split, label)
    truth = detection.truth_of(examples.labels, abnormal)
    normal = detection.reference_for(use, reference, score, contamination, explain)
    scorer = anomaly_score(use.run, score, normal)
    scores = scorer.score(examples.x)
    table = {"index": np.arange(len(scores)), "score": scores}
    use.summary.update({"score": score, "examples": len(scores)})
    use.lines.append(f"{len(scores):,} examples scored by {score}")
    if contamination is not None:
        table["abnormal"] = detection.flag(use, scores, scorer.score(normal, of_reference=True), contamination)
    if examples.labels is not None:
        table["label"] = examples.labels
    if truth is not None:
        detection.judge_detection(use, scores, truth)
    elif examples.labels is not None:
        use.lines.append("labels do not say what is abnormal: name those that do with --abnormal")
    if explain:
        table |= detection.explained(use.run, scorer.explain(examples.x), explain)
    png = drawn(picture, lambda: detection.anomaly_figure(scorer, examples.x, scores))
    use.write_table(out, table)
    use.write_picture(picture, png)
    return use.told(json)


def search(
    run: RunFolder,
    *,
    data: Source = None,
    label: Label = None,
    split: DatabaseSplit = None,
    member: Member = None,
    queries: Queries = None,
    query_label: QueryLabel = None,
    k: Annotated[int, WHOLE] = 10,
    metric: Metric = None,
    binarise: Flag = False,
    out: Table = "neighbours.csv",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes the examples of a database whose codes are nearest to those of queries.

    Prints mAP@k, precision@k and recall@k, where an example is relevant if it has the label of the query.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      data: the database: a data set by its name, tfds:NAME, or a file or folder; of a table, the columns that the run
        was trained on.
      label: name of the label column of a table, or of the labels in a .npz or .mat file.
      split: of the database: train, validation, test or all.
      member: number of the member, from 0.
      queries: what is looked for, of a data set by name its test split.
      query_label: name of the labels of the queries.
      k: how many neighbours of each query.
      metric: euclidean, in units of the code; cosine, 1 minus the cosine; or hamming, how many bits differ.
      binarise: codes become bits, true where a unit is above its median over the database.
      out: .csv, .tsv, .parquet or .npy: query, rank (from 1), index, distance, and query_label, label where known.
      picture: file for some queries beside their nearest neighbours.
      json: print a summary as JSON instead of lines.
    """
    from ae_jax import evaluation
    from ae_jax.cli import retrieval
    from ae_jax.data.writing import require_writable

    require_writable(out)
    picture = writable_picture(picture, out)
    metric = metric or ("hamming" if binarise else "euclidean")
    if metric == "hamming" and not binarise:
        raise InvalidInput("hamming counts bits that differ, and codes are numbers: expected --binarise beside it.")
    use = Use.of("search", run, member)
    database, asked, itself = retrieval.database_and_queries(use, data, split, label, queries, query_label)
    codes, looked_for = use.run.encode(database.x), use.run.encode(asked.x)
    if binarise:
        thresholds = evaluation.thresholds_of(codes)
        codes, looked_for = evaluation.binarise(codes, thresholds), evaluation.binarise(looked_for, thresholds)
    found = evaluation.search(looked_for, codes, k=k, metric=metric, exclude_self=itself)
    use.summary.update(
        {"database": len(codes), "queries": len(looked_for), "k": k, "metric": metric, "binarised": binarise}
    )
    use.lines.append(f"{len(looked_for):,} queries in {len(codes):,} examples, by {metric} distance")
    if database.labels is not None and asked.labels is not None:
        retrieval.judge_retrieval(use, found.indices, asked.labels, database.labels, k=k, itself=itself)
    png = drawn(picture, lambda: retrieval.retrieval_figure(found.indices, asked, database))
    use.write_table(out, retrieval.neighbour_table(found, asked.labels, database.labels))
    use.write_picture(picture, png)
    return use.told(json)


def sample(
    run: RunFolder,
    *,
    n: Annotated[int, WHOLE] = 16,
    seed: Annotated[int, SEED] = 0,
    member: Member = None,
    out: Examples = "samples.npy",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes new data from the prior of a variational autoencoder, in the units of the data.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      n: how many.
      seed: of the latents.
      member: number of the member, from 0.
      out: .npy, .csv, .tsv or .parquet; of images also a folder for pictures 000000.png, ..., in which bytes are
        rounded and clipped, and other numbers go from black at the least to white at the greatest value trained on.
      picture: file for the samples in a grid.
      json: print a summary as JSON instead of lines.
    """
    from ae_jax.data.writing import require_writable
    from ae_jax.report import example_grid

    picture, use = writable_picture(picture, out), Use.of("sample", run, member)
    require_writable(out, shape=use.run.shape)
    samples = use.run.sample(n, seed=seed)
    use.summary.update({"samples": n, "latent_seed": seed})
    png = drawn(picture, lambda: example_grid(samples))
    use.write_data(out, samples, None)
    use.write_picture(picture, png)
    return use.told(json)


def map_of(run: "Run", shown: "RawData") -> "Figure":
    """Codes in two dimensions, of examples from beginning to end, as files are often sorted by label."""
    from ae_jax.evaluation import subsample
    from ae_jax.report import code_map

    rows = subsample(len(shown.x), _POINTS)
    return code_map(run, shown.x[rows], None if shown.labels is None else shown.labels[rows])
