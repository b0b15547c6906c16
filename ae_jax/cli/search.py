"""The command ``search``."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from ae_jax.cli.inputs import examples_of
from ae_jax.cli.options import FROM_RUN, InputData, Json, Picture, RunFolder, option
from ae_jax.cli.use import Use, row_names
from ae_jax.data import RawData, sources, writing
from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ae_jax.evaluation import Neighbors

_SHOWN = 8
"""Number of queries that a picture shows."""

Queries = Annotated[
    str | None, option("NAME|PATH", "test split of a data set by name; each row of a file, but not for itself")
]
QueryLabel = Annotated[str | None, option("NAME", "as --label, where they have it")]
Metric = Annotated[
    Literal["euclidean", "cosine", "hamming"] | None, option("NAME", "hamming with --binarise, else euclidean")
]


def search(
    run: RunFolder,
    data: InputData = FROM_RUN,
    *,
    queries: Queries = None,
    query_label: QueryLabel = None,
    k: int = 10,
    metric: Metric = None,
    binarise: bool = False,
    out: str = "neighbours.csv",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes the examples of a database whose codes are nearest to those of queries.

    The database is --data; of a data set by name, the training split. Prints mAP@k, precision@k and recall@k, where an
    example is relevant if it has the label of the query.

    Args:
      data: what is searched.
      queries: examples to find neighbours of.
      query_label: name of the labels of the queries.
      k: number of neighbours of each query.
      metric: euclidean, in units of the code; cosine, 1 minus the cosine; or hamming, number of bits that differ.
      binarise: codes become bits, true where a unit is above its median over the database.
      out: .csv, .tsv, .parquet or .npy: query, rank (from 1), index, distance, and query_id, id, query_label, label
        where known.
      picture: file for some queries beside their nearest neighbours.
    """
    from ae_jax import evaluation

    metric = metric or ("hamming" if binarise else "euclidean")
    if metric == "hamming" and not binarise:
        raise InvalidInput("hamming counts bits that differ, and codes are numbers: expected --binarise beside it.")
    if query_label is not None and queries is None:
        raise InvalidInput("--query-label was given without --queries, which alone uses it: give both or neither.")
    use = Use.open("search", run, data.member, out, picture)
    database = examples_of(use.run, data, by_default="train")
    given = query_data(data, data.data or use.run.data.name, queries, query_label)
    asked, same = database if given is None else examples_of(use.run, given), given is None
    codes, wanted = use.encode(database), use.encode(asked)
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
    return use.finish(json, writing.write_table(out, neighbour_table(found, asked, database)))


def query_data(data: InputData, source: str, queries: str | None, label: str | None) -> InputData | None:
    """Returns what the queries are; None where they are the database, in which a query must not find itself."""
    if queries is not None and not sources.same_source(source, queries):
        if label is None and data.label is not None and not sources.is_named(queries):
            path, _ = sources.parse_path(queries)
            label = data.label if path.exists() and sources.has_name(path, data.label) else None
        return InputData(data=queries, label=label)
    if not sources.is_named(source) or data.split == "test":
        return None
    if data.split == "all":
        raise InvalidInput(
            f"search was given the queries of {source} among its database, and would find themselves: expected --split "
            "train, or other examples with --queries."
        )
    return dataclasses.replace(data, split="test")


def report_retrieval(
    use: Use, indices: np.ndarray, query_labels: np.ndarray, labels: np.ndarray, *, k: int, same: bool
) -> None:
    """Reports how well neighbours agree in label with their query, or why that cannot be told."""
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


def neighbour_table(found: "Neighbors", asked: RawData, database: RawData) -> dict[str, np.ndarray]:
    """Returns a row for each query and neighbour, with ids and labels where they are known."""
    count, k = found.indices.shape
    query, index = np.repeat(np.arange(count), k), found.indices.ravel()
    names, others = row_names(asked, always=True), row_names(database, always=True)
    table = {"query": names["index"][query], "rank": np.tile(np.arange(1, k + 1), count)}
    table |= {"index": others["index"][index], "distance": found.distances.ravel()}
    known = {"query_id": (asked.ids, query), "id": (database.ids, index)}
    known |= {"query_label": (asked.labels, query), "label": (database.labels, index)}
    return table | {name: values[rows] for name, (values, rows) in known.items() if values is not None}


def retrieval_figure(indices: np.ndarray, queries: RawData, database: RawData) -> "Figure":
    """Draws some queries, of every label in turn, beside their nearest neighbours."""
    from ae_jax.evaluation import class_names
    from ae_jax.report import retrieved_examples, select_examples

    shown = select_examples(queries.labels, len(queries.x), _SHOWN)
    nearest = indices[shown, :10]
    names = [(class_names(one.labels), rows) for one, rows in ((queries, shown), (database, nearest))]
    labels = [None if of_all is None else of_all[rows] for of_all, rows in names]
    return retrieved_examples(queries.x[shown], database.x[nearest], *labels)
