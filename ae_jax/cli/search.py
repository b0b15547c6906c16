"""The command ``search``."""

from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from ae_jax.cli.options import Label, Member, Picture, RunFolder, Source, SplitName
from ae_jax.cli.use import Use, condition_of
from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy import ndarray

    from ae_jax.data import RawData
    from ae_jax.evaluation import Neighbors

_SHOWN = 8
"""Number of queries that a picture shows."""

Queries = Annotated[
    str | None,
    arg(
        metavar="NAME|PATH",
        help_behavior_hint="(default: test split of a data set by name; each row of a file, but not for itself)",
    ),
]
QueryLabel = Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: as --label, where they have it)")]
Metric = Annotated[
    Literal["euclidean", "cosine", "hamming"] | None,
    arg(metavar="NAME", help_behavior_hint="(default: hamming with --binarise, else euclidean)"),
]


def search(
    run: RunFolder,
    *,
    data: Source = None,
    label: Label = None,
    split: SplitName = None,
    member: Member = None,
    queries: Queries = None,
    query_label: QueryLabel = None,
    k: int = 10,
    metric: Metric = None,
    binarise: bool = False,
    out: str = "neighbours.csv",
    picture: Picture = None,
    json: bool = False,
) -> int:
    """Writes the examples of a database whose codes are nearest to those of queries.

    Prints mAP@k, precision@k and recall@k, where an example is relevant if it has the label of the query.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      data: the database: a data set by its name, of which the training split is taken, tfds:NAME, or a file or folder.
      label: name of the label column of a table, or of the labels in a .npz or .mat file.
      split: of the database: train, validation, test or all.
      member: number of the member, from 0.
      queries: examples to find neighbours of.
      query_label: name of the labels of the queries.
      k: number of neighbours of each query.
      metric: euclidean, in units of the code; cosine, 1 minus the cosine; or hamming, number of bits that differ.
      binarise: codes become bits, true where a unit is above its median over the database.
      out: .csv, .tsv, .parquet or .npy: query, rank (from 1), index, distance, and query_label, label where known.
      picture: file for some queries beside their nearest neighbours.
      json: print a summary as JSON instead of lines.
    """
    from ae_jax import evaluation

    metric = metric or ("hamming" if binarise else "euclidean")
    if metric == "hamming" and not binarise:
        raise InvalidInput("hamming counts bits that differ, and codes are numbers: expected --binarise beside it.")
    if query_label is not None and queries is None:
        raise InvalidInput("--query-label was given without --queries, which alone uses it: give both or neither.")
    use = Use.open("search", run, member, out, picture)
    database = use.examples(data, split, label, by_default="train")
    asked, same = queries_for(use, database, data, split, label, queries, query_label)
    codes, wanted = codes_of(use, database), codes_of(use, asked)
    if binarise:
        thresholds = evaluation.thresholds_of(codes)
        codes, wanted = evaluation.binarise(codes, thresholds), evaluation.binarise(wanted, thresholds)
    found = evaluation.search(wanted, codes, k=k, metric=metric, exclude_self=same)
    use.summary.update(
        {"database": len(codes), "queries": len(wanted), "k": k, "metric": metric, "binarised": binarise}
    )
    use.lines.append(f"{len(wanted):,} queries in {len(codes):,} examples, by {metric} distance")
    if database.labels is not None and asked.labels is not None:
        report_retrieval(use, found.indices, asked.labels, database.labels, k=k, same=same)
    use.draw(lambda: retrieval_figure(found.indices, asked, database))
    use.write_table(neighbour_table(found, asked.labels, database.labels))
    return use.finish(json)


def codes_of(use: Use, examples: "RawData") -> "ndarray":
    """Returns the codes of examples as rows."""
    codes = use.run.encode(examples.x, condition_of(use.run, examples.labels))
    return codes.reshape(len(codes), -1)


def queries_for(
    use: Use,
    database: "RawData",
    data: str | None,
    split: str | None,
    label: str | None,
    queries: str | None,
    query_label: str | None,
) -> "tuple[RawData, bool]":
    """Returns the queries, and whether they are the database itself, where a query must not find itself.

    Raises:
      InvalidInput: they cannot be loaded, or are some rows of the database without being all of it.
    """
    from ae_jax.data.sources import examples, has_label, is_named, parse_path

    source = use.run.data.name if data is None else data
    if queries is None and not is_named(source):
        return database, True
    if queries is None:
        asked = use.examples(data, "test", label)
    else:
        if query_label is None and label is not None and not is_named(queries):
            path, _ = parse_path(queries)
            query_label = label if path.exists() and has_label(path, label) else None
        asked = use.examples(queries, None, query_label)
    if queries is not None and not _same_source(source, queries):
        return asked, False
    whole = not is_named(source) and examples(source, use.run.data) is not None
    taken, of_queries = split or ("all" if whole else "train"), "all" if whole else "test"
    if taken == of_queries and not (whole and split):  # --split all of a file orders its rows by their splits
        return asked, True
    if "all" in (taken, of_queries):
        remedy = "leave --queries out" if whole else "choose --split train, or other examples with --queries"
        raise InvalidInput(
            f"search was given queries that are among the rows of {source}, its database, and would find "
            f"themselves: expected others, or each row of the database; {remedy}."
        )
    return asked, False


def _same_source(one: str, other: str) -> bool:
    """Whether two names or paths are of the same data."""
    from ae_jax.data.sources import is_named, parse_path

    if is_named(one) or is_named(other):
        return one == other
    (path, key), (other_path, other_key) = parse_path(one), parse_path(other)
    return (path.resolve(), key) == (other_path.resolve(), other_key)


def report_retrieval(
    use: Use, indices: "ndarray", query_labels: "ndarray", labels: "ndarray", *, k: int, same: bool
) -> None:
    """Reports how well neighbours agree in label with their query, or why that cannot be told."""
    import numpy as np

    from ae_jax.evaluation import class_names, retrieval_metrics

    asked, names = class_names(query_labels), class_names(labels)
    if asked is None or names is None:
        use.lines.append("mAP, precision and recall were left out, as labels are measurements and name no classes")
        return
    known, counts = np.unique(names, return_counts=True)
    if not np.isin(asked, known[counts > same]).any():
        use.lines.append("mAP, precision and recall were left out, as no query shares its label with another example")
        return
    metrics = retrieval_metrics(indices, asked, names, k=k, exclude_self=same)
    values = (metrics["map_at_k"], metrics["precision_at_k"], metrics["recall_at_k"])
    line = "mAP@{k} {:.4f}, precision@{k} {:.4f}, recall@{k} {:.4f}".format(*values, k=k)
    if left_out := int(metrics["queries_left_out"]):
        line += f"; {left_out:,} queries left out, whose label no other example has"
    use.report(line, **metrics)


def neighbour_table(
    found: "Neighbors", query_labels: "ndarray | None", labels: "ndarray | None"
) -> "dict[str, ndarray]":
    """Returns a row for each query and neighbour, with labels where they are known."""
    import numpy as np

    count, k = found.indices.shape
    query, index = np.repeat(np.arange(count), k), found.indices.ravel()
    table = {"query": query, "rank": np.tile(np.arange(1, k + 1), count), "index": index}
    table["distance"] = found.distances.ravel()
    if query_labels is not None:
        table["query_label"] = query_labels[query]
    if labels is not None:
        table["label"] = labels[index]
    return table


def retrieval_figure(indices: "ndarray", queries: "RawData", database: "RawData") -> "Figure":
    """Draws some queries, of every label in turn, beside their nearest neighbours."""
    from ae_jax.evaluation import class_names
    from ae_jax.report import retrieved_examples, select_examples

    shown = select_examples(queries.labels, len(queries.x), _SHOWN)
    nearest = indices[shown, :10]
    names = [(class_names(one.labels), rows) for one, rows in ((queries, shown), (database, nearest))]
    labels = [None if of_all is None else of_all[rows] for of_all, rows in names]
    return retrieved_examples(queries.x[shown], database.x[nearest], *labels)
