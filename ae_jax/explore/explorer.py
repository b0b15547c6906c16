"""What the page of an explorer shows: examples with their codes, errors and scores, and a decoder."""

import base64
import dataclasses
import functools
import importlib.util
import json
import math
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from ae_jax.atomic import write_text
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import anomaly_score, class_names, subsample
from ae_jax.explore.decoder import encoded, page_decoder
from ae_jax.networks import code_shape
from ae_jax.report.axes import is_image, is_series, select_member
from ae_jax.report.charts import project
from ae_jax.training import Run

_POINTS, _VALUES, _REFERENCE = 2_000, 4_000_000, 5_000
"""Examples and values that a page holds, and reference examples of the anomaly score, at most."""
_FLOATS = 500_000
"""Values of images beyond which a page holds them as bytes."""
_UNITS, _STEPS, _CLASSES = 10, 7, 20
_SCORE = "error_and_knn"


@dataclasses.dataclass(frozen=True)
class Explorer:
    """A page about one member of a run.

    Attributes:
      run: the member, as a single run.
      contents: everything that the page shows, ready for JSON.
    """

    run: Run = dataclasses.field(repr=False)
    contents: dict[str, Any] = dataclasses.field(repr=False)

    def decode(self, codes: Any, condition: Any = None) -> np.ndarray:
        """Decodes codes of the page.

        Args:
          codes: ``[n, units]``, flattened.
          condition: for a conditional autoencoder, the position of a class.

        Returns:
          Examples in the units of the data, ``[n, features]``.

        Raises:
          InvalidInput: codes of another size, more than 256 of them, or no class of that position.
        """
        shape, classes = code_shape(self.run.autoencoder.networks), self.run.data.classes or ()
        try:
            found = np.asarray(codes, np.float32).reshape(-1, *shape)
            label = None if condition is None else classes[range(len(classes))[condition]]
        except (TypeError, ValueError, IndexError):
            raise InvalidInput(
                f"the page asked for other codes than [n, {math.prod(shape)}], or another class."
            ) from None
        if not 0 < len(found) <= 256 or not np.isfinite(found).all():
            raise InvalidInput(f"the page asked for {len(found)} codes: expected 1 to 256 of finite numbers.")
        return np.asarray(self.run.decode(found, label)).reshape(len(found), -1)

    def html(self, *, live: bool = False) -> str:
        """Returns the page, which decodes by itself or, if it is live, asks the server that sent it."""
        contents = self.contents
        if not live and contents["decoder"] is None:
            contents = contents | {"traversals": self._traversals()}
        text = json.dumps(contents, allow_nan=False).replace("<", "\\u003c")
        return _templates().get_template("page.html").render(title=contents["title"], contents=text, live=live)

    def save(self, path: str | Path) -> Path:
        """Writes the page as one HTML file that opens offline.

        Raises:
          InvalidInput: the file cannot be written.
        """
        return write_text(Path(path), self.html())

    def _traversals(self) -> list[str]:
        """Decoded codes in which a unit moves over its range while the others stay at their means."""
        start, condition = np.asarray(self.contents["mean"], np.float32), self.contents["conditions"]
        moved = np.tile(start, (len(self.contents["units"]) * _STEPS, 1))
        for place, unit in enumerate(self.contents["units"]):
            rows = slice(place * _STEPS, (place + 1) * _STEPS)
            moved[rows, unit["unit"]] = np.linspace(unit["low"], unit["high"], _STEPS)
        return [encoded(example) for example in self.decode(moved, condition[0] if condition else None)]


def explore(
    run: Run, data: Any, labels: Any = None, *, ids: Any = None, reference: Any = None, reference_labels: Any = None
) -> Explorer:
    """Makes an explorer of a run's codes.

    Args:
      run: a trained population; its first finite member is explored.
      data: a :class:`ae_jax.data.Dataset`, of which the test split is shown, else the validation or training split; or
        examples in the units trained on, ``[n, *shape]``. At most 2,000 examples are shown, evenly spaced.
      labels: of examples, ``[n]``; the condition of a conditional autoencoder.
      ids: names of examples, ``[n]``; by default their numbers.
      reference, reference_labels: normal examples that the anomaly score compares with; by default those of the
        training split.

    Raises:
      InvalidInput: examples that do not fit the run, or labels or ids of another length.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> run = ae_jax.fit(ae_jax.undercomplete(code=2), data, epochs=1)
      >>> explore(run, data).contents["note"]
      'The 359 examples of the test split of digits.'
    """
    run, source = select_member(run), "the data"
    if isinstance(data, Dataset):
        data = run.own_split(data)
        name = next(name for name in ("test", "validation", "train") if len(getattr(data, name).x))
        if reference is None:
            reference, reference_labels = data.train.x, data.train.labels
        source, split = f"the {name} split of {data.name}", data.split(name)
        data, labels, ids = split.x, split.labels, split.ids
    x = run.data.raw(data)
    for name, given in (("labels", labels), ("ids", ids)):
        if given is not None and len(given) != len(x):
            raise InvalidInput(f"explore was given {len(given)} {name} of {len(x)} examples: expected one for each.")
    rows = subsample(len(x), min(_POINTS, max(1, _VALUES // math.prod(run.shape))))
    note = f"The {len(x):,} examples of {source}."
    if len(rows) < len(x):
        note = f"{len(rows):,} of {len(x):,} examples of {source}, evenly spaced."
    labels, ids = (None if given is None else np.asarray(given)[rows] for given in (labels, ids))
    about = {"title": f"{run.name} on {run.data.name}", "note": note, "rows": rows.tolist()}
    about["ids"] = None if ids is None else [str(each) for each in ids.tolist()]
    return Explorer(run, about | _contents(run, x[rows], labels, (reference, reference_labels)))


def _contents(run: Run, x: np.ndarray, labels: np.ndarray | None, reference: tuple[Any, Any]) -> dict[str, Any]:
    condition = run.condition_of(labels)
    codes = np.asarray(run.encode(x, condition), np.float64).reshape(len(x), -1)
    made = np.asarray(run.reconstruct(x, condition), np.float32)
    stored = np.asarray(x, np.float32)
    conditions = run.conditions(condition, len(x)) if condition is not None else None
    colours = _labels(labels) | {
        "reconstruction error": encoded(anomaly_score(run, "reconstruction_error").score(x, condition=condition))
    }
    if reference[0] is not None:
        chosen = subsample(len(reference[0]), _REFERENCE)
        known = None if condition is None or reference[1] is None else np.asarray(reference[1])[chosen]
        score = anomaly_score(run, _SCORE, np.asarray(reference[0])[chosen], condition=known)
        colours[f"anomaly score ({_SCORE.replace('_', ' ')})"] = encoded(score.score(x, condition=condition))
    kind = "series" if is_series(stored) else "image" if is_image(run.shape) else "table"
    low, high = float(stored.min()), float(stored.max())
    large = kind == "image" and stored.size > _FLOATS
    pack = functools.partial(_bytes, low=low, high=high) if large else encoded
    return {
        "kind": kind,
        "shape": list(run.shape),
        "features": list(run.data.columns or ()),
        "low": low,
        "high": high,
        "bytes": large,
        "x": pack(stored),
        "made": pack(made),
        "scale": encoded(np.broadcast_to(np.asarray(run.scaling.scale, np.float32), run.shape)),
        "codes": encoded(codes),
        "mean": codes.mean(axis=0).tolist(),
        "units": _units(codes),
        "maps": _maps(codes),
        "colours": colours,
        "conditions": None if conditions is None else np.asarray(conditions).tolist(),
        "classes": [str(each) for each in run.data.classes or ()],
        "decoder": page_decoder(run),
    }


def _bytes(values: np.ndarray, low: float, high: float) -> str:
    """Values as bytes from the lowest to the highest in base64, a quarter of their size."""
    steps = np.rint(np.clip((values - low) / ((high - low) or 1.0), 0, 1) * 255)
    return base64.b64encode(steps.astype(np.uint8).tobytes()).decode("ascii")


def _labels(labels: np.ndarray | None) -> dict[str, Any]:
    """Labels as colours: the names of at most 20 classes and the place of each example's, or numbers."""
    if labels is None:
        return {}
    names = class_names(labels)
    if names is None or (len(np.unique(names)) > _CLASSES and np.issubdtype(labels.dtype, np.number)):
        return {"label": encoded(labels)}
    known = list(dict.fromkeys(names[np.argsort(labels, kind="stable")].tolist()))
    shown = known[:_CLASSES] + ["others"] * (len(known) > _CLASSES)
    places = [min(known.index(name), len(shown) - 1) for name in names]
    return {"label": {"names": shown, "places": places}}


def _units(codes: np.ndarray) -> list[dict[str, Any]]:
    """The units of the largest variance, with the range of the middle 98% of the examples."""
    low, high = np.quantile(codes, (0.01, 0.99), axis=0)
    order = np.argsort(-codes.var(axis=0), kind="stable")[:_UNITS].tolist()
    return [
        {"unit": unit, "low": float(low[unit]), "high": float(high[unit])} for unit in order if high[unit] > low[unit]
    ]


def _maps(codes: np.ndarray) -> dict[str, Any]:
    """Coordinates of codes in the plane by principal components and, where it is installed, by UMAP."""
    places, axes = project(codes)
    maps = {"PCA" if codes.shape[1] > 2 else "code": {"places": encoded(places), "axes": axes}}
    if codes.shape[1] > 2 and len(codes) > 15 and importlib.util.find_spec("umap") is not None:
        umap = importlib.import_module("umap")
        placed = umap.UMAP(random_state=0, n_jobs=1).fit_transform(codes)
        maps["UMAP"] = {"places": encoded(placed), "axes": ("UMAP 1", "UMAP 2")}
    return maps


def source_of(name: str) -> str:
    """Returns a template as it is."""
    return (resources.files("ae_jax.explore") / "templates" / name).read_text(encoding="utf-8")


@functools.cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ae_jax.explore"), autoescape=True, undefined=jinja2.StrictUndefined
    )
