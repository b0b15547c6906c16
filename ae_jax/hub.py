"""Shares runs on the Hugging Face hub: a saved run with a model card, whole or as a folder to push by other means."""

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, first_line
from ae_jax.training import Run, load

_FILES = ["*.json", "*.safetensors", "SHA256SUMS", "samplers/**"]
"""What a run consists of."""

_SHOWN = 1000
"""Number of test examples that figures show, at most."""

_CARD = """---
library_name: ae_jax
tags: [autoencoder, jax, {name}]
{license}---

# {name}

An autoencoder trained on {data} by [ae_jax](https://pypi.org/project/ae_jax).

```python
import ae_jax

run = ae_jax.from_hub("{repo}")
codes = run.encode(x)  # x: {dtype} examples of shape {shape}
```

| property | value |
| --- | --- |
{facts}

{figures}
Loading executes no code. Components of the author's own must be imported before; configuration.json names them.
"""


def push_to_hub(run: Run, repo: str, *, private: bool = False, token: str | None = None, **options: Any) -> str:
    """Uploads a run with its model card to a repository of the hub, which is created where there is none.

    Args:
      run: what is shared, all members.
      repo: name of the repository, ``"user/name"``.
      private: whether a new repository is.
      token: of the hub; None for the one that ``hf auth login`` stored.
      options: data and license, as of :func:`to_hub_folder`.

    Returns:
      The address of the commit.

    Raises:
      InvalidInput: huggingface_hub is not installed, or the hub refuses.
    """
    hub = _hub()
    with TemporaryDirectory() as scratch:
        folder = to_hub_folder(run, Path(scratch) / "run", repo=repo, **options)
        try:
            api = hub.HfApi(token=token, library_name="ae_jax")
            api.create_repo(repo, private=private, exist_ok=True)
            return str(api.upload_folder(repo_id=repo, folder_path=folder, commit_message=f"Add {run.name}").commit_url)
        except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError) as error:
            raise InvalidInput(
                f"the hub refuses {repo} ({first_line(error)}): check its name and your token."
            ) from error


def from_hub(repo: str, *, revision: str | None = None, token: str | None = None) -> Run:
    """The run in a repository of the hub, verified as by :func:`ae_jax.load`; no code is executed.

    Args:
      repo: name of the repository, ``"user/name"``.
      revision: a commit, branch or tag; None for the newest.
      token: of the hub, for private repositories; None for the one that ``hf auth login`` stored.

    Raises:
      InvalidInput: huggingface_hub is not installed, there is no such repository, or it holds no run.
    """
    hub = _hub()
    try:
        folder = hub.snapshot_download(repo, revision=revision, token=token, allow_patterns=_FILES)
    except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, hub.errors.LocalEntryNotFoundError) as error:
        raise InvalidInput(f"{repo} cannot be read from the hub ({first_line(error)}): check its name.") from error
    return load(folder)


def to_hub_folder(
    run: Run,
    folder: str | Path,
    *,
    repo: str = "user/name",
    data: Dataset | None = None,
    license: str | None = None,
) -> Path:
    """Writes what :func:`push_to_hub` uploads: the run, a model card as README.md, and the figures of the report.

    Args:
      run: what is shared, all members.
      folder: new or empty.
      repo: name that the card shows.
      data: what the run is evaluated on and that figures show; None leaves these out.
      license: its identifier on the hub, such as ``"apache-2.0"``.

    Raises:
      InvalidInput: the folder holds something.
    """
    from ae_jax.report import to_png  # figures take a second to import

    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} holds something already: expected a new or empty folder.")
    facts = {
        "examples": f"{run.data.dtype} of shape {run.shape}",
        "members": f"{len(run)}, seeds {', '.join(map(str, run.seeds.tolist()))}",
        "parameters": f"{run.parameters:,} in each member",
        "best epoch": ", ".join(map(str, run.best_epoch.tolist())),
        **{name: str(value) for name, value in run.settings.items() if value is not None},
        **{f"{package} version": version for package, version in run.record["versions"].items()},
    }
    measured, figures = _evaluated(run, data)
    facts |= measured
    if "source" in run.record:  # a path of this machine is left out, but for the name of the file
        source, seed = run.record["source"]
        run = dataclasses.replace(run, record=run.record | {"source": [Path(source).name, seed]})
    run.save(folder)
    for name, figure in figures.items():
        (folder / f"{name}.png").write_bytes(to_png(figure))
    text = _CARD.format(
        name=run.name,
        license=f"license: {license}\n" if license else "",
        data=run.data.name,
        repo=repo,
        dtype=run.data.dtype,
        shape=run.shape,
        facts="\n".join(f"| {name} | {value} |" for name, value in facts.items()),
        figures="".join(f"![{name.capitalize()}]({name}.png)\n\n" for name in figures),
    )
    (folder / "README.md").write_text(text)
    return folder


def _evaluated(run: Run, data: Dataset | None) -> tuple[dict[str, str], dict[str, Any]]:
    """Metrics of a run on the test split, and its figures."""
    from ae_jax.evaluation import evaluate
    from ae_jax.report import code_map, loss_curves, reconstructions
    from ae_jax.studies import summarise

    losses = loss_curves(run)
    figures: dict[str, Any] = {} if losses is None else {"losses": losses}
    if data is None:
        return {}, figures
    (found,) = summarise(evaluate(run, data).rows).values()
    if not run.autoencoder.conditional:
        x, labels = data.test.x[:_SHOWN], None if data.test.labels is None else data.test.labels[:_SHOWN]
        figures |= {"codes": code_map(run, x, labels), "reconstructions": reconstructions(run, x)}
    return {f"{metric}, test split": f"{interval.mean:.4g}" for metric, interval in found.items()}, figures


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ModuleNotFoundError as error:
        raise InvalidInput(
            "the hub needs huggingface_hub, which is not installed: pip install 'ae_jax[hub]'."
        ) from error
    return huggingface_hub
