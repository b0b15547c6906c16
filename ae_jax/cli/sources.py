"""``ae-jax data``: what there is to train on."""

from ae_jax.cli.options import Json
from ae_jax.cli.printing import print_columns, print_json


def data() -> int:
    """Shows what there is to train on."""
    raise NotImplementedError("dispatch calls the commands of data.")


def list_embedded(*, json: Json = False) -> int:
    """Lists the data sets that come with the installation and need no network.

    Args:
      json: print JSON instead of a table.
    """
    from ae_jax.data import EMBEDDED

    described = [make().describe() for make in EMBEDDED.values()]
    if json:
        print_json({"data": described})
        return 0
    headings = ("data set", "shape", "stored as", "train", "validation", "test")
    print_columns(headings, [_row(one) for one in described])
    return 0


def _row(described: dict) -> list[str]:
    counts = described["examples"]
    return [
        described["name"],
        " x ".join(map(str, described["shape"])),
        described["dtype"],
        *(f"{counts[split]:,}" for split in ("train", "validation", "test")),
    ]
