"""Adds up the records of several trainings."""

from collections.abc import Sequence
from typing import Any


def added(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Adds up records: numbers are summed, lists are concatenated, booleans are combined by "or", texts are joined.

    Example:
      >>> added([{"wall_s": 1.5, "device": "cpu"}, {"wall_s": 2.0, "device": "gpu"}])
      {'wall_s': 3.5, 'device': 'cpu; gpu'}
    """
    keys = dict.fromkeys(key for record in records for key in record)
    return {key: _added([record[key] for record in records if key in record]) for key in keys}


def _added(values: list[Any]) -> Any:
    first = values[0]
    if all(isinstance(value, bool) for value in values):
        return any(values)
    if all(isinstance(value, (int, float)) for value in values):
        return sum(values) if all(isinstance(value, int) for value in values) else round(sum(values), 3)
    if all(isinstance(value, dict) for value in values):
        return added(values)
    if all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    return first if all(value == first for value in values) else "; ".join(dict.fromkeys(map(str, values)))
