"""TFDS's part: it writes examples, and what describes them, as files that TFDS and we can read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data.builders.checksums import recorded
from ae_jax.data.builders.folders import VERSION
from ae_jax.data.builders.progress import OnProgress, Preparing
from ae_jax.data.builders.recipe import Columns, Recipe

_EVERY = 1000


def write(
    recipe: Recipe,
    splits: Mapping[str, Columns],
    *,
    data_folder: Path,
    downloads: Path,
    urls: list[str],
    on_progress: OnProgress,
) -> None:
    """Prepares a data set from its arrays, in their order, as TFDS prepares any other.

    Args:
      recipe: of the data set.
      splits: what it holds.
      data_folder: TFDS's data directory.
      downloads: the folder of the files that ``urls`` were downloaded to.
      urls: of files whose recorded checksums TFDS is to verify; may be none.
      on_progress: told now and then.

    Raises:
      OSError: the folder cannot be written to, or has no room.
    """
    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig(
        manual_dir=downloads, extract_dir=downloads, force_checksums_validation=True, try_download_gcs=False
    )
    with _no_bars():
        builder = _builder_class(recipe, splits, urls, on_progress)(data_dir=data_folder, file_format="array_record")
        try:
            builder.download_and_prepare(download_dir=downloads, download_config=config)
        except RuntimeError as error:
            if "write() failed" in str(error):  # array_record's words, of a full disk for one
                raise OSError(str(error).splitlines()[0][:160]) from error
            raise


def _builder_class(recipe: Recipe, splits: Mapping[str, Columns], urls: list[str], on_progress: OnProgress) -> Any:
    """TFDS's class for one data set, which is not registered: TFDS's own of that name stays what its users get."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import checksums
    from tensorflow_datasets.core.utils import Size

    known = {url: checksums.UrlInfo(Size(one.size), one.sha256, one.file) for url, one in recorded().items()}

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = recipe.name
        VERSION = tfds.core.Version(VERSION)
        url_infos = known

        def _info(self) -> Any:
            return _info(self, recipe)

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            dl_manager.download(urls)
            return {split: self._generate_examples(split) for split in splits}

        def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
            columns, count = splits[split], len(splits[split]["image"])
            for position in range(count):
                yield position, {name: column[position] for name, column in columns.items()}
                if (position + 1) % _EVERY == 0 or position + 1 == count:
                    on_progress(Preparing(f"{recipe.name}: write {split}", position + 1, count))

        def _log_download_bytes(self) -> None: ...  # prints

        def _log_download_done(self) -> None: ...  # prints

    return Builder


def _info(builder: Any, recipe: Recipe) -> Any:
    """What TFDS writes about a data set."""
    import tensorflow_datasets as tfds

    encoding = tfds.features.Encoding.BYTES
    features: dict[str, Any] = {"image": tfds.features.Tensor(shape=recipe.shape, dtype=np.uint8, encoding=encoding)}
    return tfds.core.DatasetInfo(
        builder=builder,
        description=recipe.description,
        homepage=recipe.homepage,
        citation=recipe.citation,
        license=recipe.licence,
        features=tfds.features.FeaturesDict(
            features | {column: tfds.features.Scalar(np.int64) for column in recipe.labels}
        ),
        supervised_keys=("image", recipe.labels[0]) if recipe.labels else None,
        disable_shuffling=True,
    )


@contextmanager
def _no_bars() -> Iterator[None]:
    """TFDS draws none of its own bars; what its user has chosen holds again afterwards."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.utils import tqdm_utils

    active = getattr(tqdm_utils, "_active", True)
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        tfds.display_progress_bar(active)
