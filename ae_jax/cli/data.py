"""The commands about data sets: ``data list`` and ``data prepare``."""

from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from ae_jax._checks import require_positive
from ae_jax.cli.options import Json, option
from ae_jax.cli.printing import print_columns, print_json
from ae_jax.data import EMBEDDED, PUBLISHED, prepared_file
from ae_jax.data import prepare as prepare_data

Name = Annotated[Positional[str], arg(metavar="NAME")]
From = Annotated[Path | None, arg(name="from", metavar="DIR", help_behavior_hint="(default: downloads them)")]
DataFolder = Annotated[Path | None, option("DIR", "AE_JAX_DATA_DIR, or ~/.cache/ae_jax")]


def list_sources(*, json: Json = False) -> int:
    """Lists data sets: embedded in the installation, prepared on this machine, and available."""
    listed = [{"status": "embedded"} | make().describe() for make in EMBEDDED.values()]
    listed += [
        {
            "status": "prepared" if prepared_file(name).is_file() else "available",
            "name": name,
            "shape": list(published.shape),
            "dtype": "uint8",
            "examples": dict(published.examples),
            "homepage": published.homepage,
            "licence": published.licence,
        }
        for name, published in PUBLISHED.items()
    ]
    if json:
        print_json({"data": listed})
        return 0
    print_columns(("data set", "status", "shape", "train", "validation", "test"), [_row(one) for one in listed])
    print("\nae-jax data prepare NAME makes an available data set ready to use.")
    return 0


def prepare(name: Name, *, from_: From = None, data_dir: DataFolder = None, timeout: float = 30.0) -> int:
    """Downloads a data set, or takes its files from a folder, verifies them and writes them to one file.

    Args:
      name: of the data set, see ae-jax data list.
      from_: folder with its files, as published or as idx, npz, amat or mat; then nothing is downloaded.
      data_dir: the folder of prepared data sets.
      timeout: seconds that a server may take to answer.
    """
    from ae_jax.training import ProgressDisplay

    require_positive("data prepare", timeout=timeout)
    before = prepared_file(name, data_dir).is_file()
    with ProgressDisplay() as progress:
        file = prepare_data(name, source=from_, data_dir=data_dir, progress=progress, timeout=timeout)
    where = f" (with AE_JAX_DATA_DIR={data_dir})" if data_dir is not None else ""
    print(f"{name} {'was already' if before else 'is'} prepared in {file}: train on it by --data {name}{where}.")
    return 0


def _row(described: dict[str, Any]) -> list[str]:
    counts = described["examples"]
    return [
        described["name"],
        described["status"],
        " x ".join(map(str, described["shape"])),
        *(f"{counts[split]:,}" if split in counts else "by seed" for split in ("train", "validation", "test")),
    ]
