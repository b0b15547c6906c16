"""What ``ae-jax search`` works out around the library's functions: databases, queries, tables of neighbours."""

from typing import TYPE_CHECKING

import numpy as np

from ae_jax.cli.using import Use
from ae_jax.data.sources import examples, has_label, is_named, parse_path
from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ae_jax.data import RawData
    from ae_jax.evaluation import Neighbors

_SHOWN = 8
"""How many queries a picture shows."""


def database_and_queries(
    use: Use,
    data: str | None,
    split: str | None,
    label: str | None,
    queries: str | None,
    query_label: str | None,
) -> "tuple[RawData, RawData, bool]":
    """The database, the queries, and whether they are the database itself.

    Raises:
      InvalidInput: either cannot be had, or queries are rows of the database without being all of it.
    """
    if query_label is not None and queries is None:
        raise InvalidInput("--query-label was given without --queries, which alone uses it: give both or neither.")
    database = use.examples(data, split, label, by_default="train")
    source = use.run.data.name if data is None else data
    if queries is None and not is_named(source):
        return database, database, True
    if queries is None:
        asked = use.examples(data, "test", label)
    else:
        asked = use.examples(queries, None, _label_of_queries(queries, label, query_label))
    if queries is not None and not _same_source(source, queries):
        return database, asked, False
    whole = not is_named(source) and examples(source, use.run.data) is not None
    taken, looked_up = split or ("all" if whole else "train"), "all" if whole else "test"
    if taken == looked_up and not (whole and split):  # --split all of a file orders its rows by their splits
        return database, asked, True
    if "all" in (taken, looked_up):
        remedy = "leave --queries out" if whole else "choose --split train, or other examples with --queries"
        raise InvalidInput(
            f"search was given queries that are among the rows of {source}, its database, and would find "
            f"themselves: expected others, or each row of the database; {remedy}."
        )
    return database, asked, False


def _label_of_queries(queries: str, label: str | None, query_label: str | None) -> str | None:
    """The name of the queries' labels: the one given for them, else the database's where they have it."""
    if query_label is not None or label is None or is_named(queries):
        return query_label
    path, _ = parse_path(queries)
    return label if path.exists() and has_label(path, label) else None


def _same_source(one: str, other: str) -> bool:
    """Whether two names or paths are of the same data."""
    if is_named(one) or is_named(other):
        return one == other
    (path, key), (other_path, other_key) = parse_path(one), parse_path(other)
    return (path.resolve(), key) == (other_path.resolve(), other_key)


def judge_retrieval(
    use: Use, indices: np.ndarray, query_labels: np.ndarray, labels: np.ndarray, *, k: int, itself: bool
) -> None:
    """Takes down how well neighbours agree in label with their query, or why that cannot be told."""
    from ae_jax.evaluation import class_names, retrieval_metrics

    asked, names = class_names(query_labels), class_names(labels)
    if asked is None or names is None:
        use.lines.append("mAP, precision and recall were left out, as labels are measurements and name no classes")
        return
    known, counts = np.unique(names, return_counts=True)
    if not np.isin(asked, known[counts > itself]).any():
        use.lines.append("mAP, precision and recall were left out, as no query shares its label with another example")
        return
    metrics = retrieval_metrics(indices, asked, names, k=k, exclude_self=itself)
    values = (metrics["map_at_k"], metrics["precision_at_k"], metrics["recall_at_k"])
    line = "mAP@{k} {:.4f}, precision@{k} {:.4f}, recall@{k} {:.4f}".format(*values, k=k)
    if left_out := int(metrics["queries_left_out"]):
        line += f"; {left_out:,} queries left out, whose label no other example has"
    use.measured(line, **metrics)


def neighbour_table(
    found: "Neighbors", query_labels: np.ndarray | None, labels: np.ndarray | None
) -> dict[str, np.ndarray]:
    """A row for each query and neighbour, with labels where they are known."""
    count, k = found.indices.shape
    query, index = np.repeat(np.arange(count), k), found.indices.ravel()
    table = {"query": query, "rank": np.tile(np.arange(1, k + 1), count), "index": index}
    table["distance"] = found.distances.ravel()
    if query_labels is not None:
        table["query_label"] = query_labels[query]
    if labels is not None:
        table["label"] = labels[index]
    return table


def retrieval_figure(indices: np.ndarray, queries: "RawData", database: "RawData") -> "Figure":
    """Some queries, of every label in turn, beside their nearest neighbours."""
    from ae_jax.evaluation import class_names
    from ae_jax.report import retrieved_examples, select_examples

    shown = select_examples(queries.labels, len(queries.x), _SHOWN)
    nearest = indices[shown, :10]
    names = [(class_names(one.labels), rows) for one, rows in ((queries, shown), (database, nearest))]
    labels = [None if of_all is None else of_all[rows] for of_all, rows in names]
    return retrieved_examples(queries.x[shown], database.x[nearest], *labels)
