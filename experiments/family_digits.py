"""Five members of the family on scikit-learn's digits, each against the autoencoder that it changes.

COMMAND
    python experiments/family_digits.py
EXPECTED
    five seeds, test split, intervals of 95% over seeds: ``vq`` has a perplexity above half of its codes;
    ``conditional`` and ``vamp`` have a lower -ELBO than ``variational``, intervals apart; ``factor`` has a lower total
    correlation than ``variational``, intervals apart; ``top_k`` has at most the squared error of ``sparse`` with fewer
    active units, and fewer than 5% of its units are dead.
MEASURED
    six of seven met, see experiments/README.md; missed: ``top_k`` has a larger squared error than ``sparse``.

-ELBO in nats by ten draws of the latents for each example; that of ``conditional`` is of p(x | label). Total
correlation in nats is that of the aggregate posterior of the test split, a mixture of one Gaussian for each example, by
Monte Carlo. A unit counts as active above 0.01: activations of ``sparse`` below that can be set to zero at no loss,
those below 0.1 cannot, although only 11 of its units are above. A unit is dead where it is active for no training
example. The intervals contain training seeds only: the split is fixed.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

import ae_jax
from ae_jax.data import Dataset, Split
from ae_jax.studies import Interval, interval
from ae_jax.training import ProgressDisplay

NAMES = ("variational", "conditional", "vamp", "factor", "sparse", "top_k", "vq")
ACTIVE = 0.01
DRAWS = 10


def terms_of(run: ae_jax.Run, split: Split) -> dict[str, np.ndarray]:
    """Every term of the objective on a split, the mean over draws, ``[members]``."""
    labels = split.labels if run.autoencoder.conditional else None
    raw = run.data.raw(split.x)
    batch = ae_jax.Batch(jnp.asarray(run.scaling(raw)), run.conditions(labels, len(raw)))

    @jax.jit
    @jax.vmap
    def of_member(params: Any, state: Any, autoencoder: ae_jax.Autoencoder) -> dict[str, jax.Array]:
        def of_draw(key: jax.Array) -> dict[str, jax.Array]:
            loss, metrics = autoencoder.objective(autoencoder.bind(run.shape, params, state), key, batch, 0)
            return metrics | {"loss": loss}

        means = jax.lax.map(of_draw, jax.random.split(jax.random.key(0), DRAWS))
        return jax.tree.map(jnp.mean, means)

    return jax.tree.map(np.asarray, of_member(run.params, run.state, run.autoencoder))


def total_correlation(run: ae_jax.Run, split: Split) -> np.ndarray:
    """Total correlation of the aggregate posterior of a split, in nats, ``[members]``."""
    rng, found = np.random.default_rng(0), []
    for mean, log_scale in zip(*run.apply(_posterior, run.data.raw(split.x)), strict=True):
        z = mean + np.exp(log_scale) * rng.normal(size=(DRAWS, *mean.shape))
        estimates = []
        for draw in z:
            standardised = (draw[:, None] - mean[None]) / np.exp(log_scale)[None]
            densities = -0.5 * np.square(standardised) - log_scale[None] - 0.5 * np.log(2 * np.pi)
            joint, single = logsumexp(densities.sum(axis=-1), axis=1), logsumexp(densities, axis=1)
            estimates.append(np.mean(joint - np.log(len(mean)) - np.sum(single - np.log(len(mean)), axis=-1)))
        found.append(np.mean(estimates))
    return np.array(found)


def _posterior(autoencoder: ae_jax.Autoencoder, model: Any, scaling: Any, raw: Any) -> Any:
    posterior = model.encode(scaling(raw))
    return posterior.mean, posterior.log_scale


def measured(name: str, run: ae_jax.Run, data: Dataset) -> dict[str, np.ndarray]:
    """The quantities that the expectations are about, ``[members]`` each."""
    terms = terms_of(run, data.test)
    values = {"squared_error": terms.get("squared_error"), "perplexity": terms.get("perplexity")}
    if "bernoulli_nll" in terms:
        values["negative_elbo"] = terms["bernoulli_nll"] + terms["kl"]
    if name in ("variational", "factor"):
        values["total_correlation"] = total_correlation(run, data.test)
    if name in ("sparse", "top_k"):
        test, train = (np.abs(run.encode(split.x)) > ACTIVE for split in (data.test, data.train))
        values |= {"l0": test.sum(axis=-1).mean(axis=-1), "dead": 1.0 - train.any(axis=1).mean(axis=-1)}
    return {key: value for key, value in values.items() if value is not None}


def expectations(found: dict[str, dict[str, Interval]], codes: int) -> dict[str, bool]:
    """Each expectation as a sentence, and whether it was met."""

    def below(metric: str, name: str, other: str) -> tuple[str, bool]:
        one, two = found[name][metric], found[other][metric]
        values = f"{one.mean:.3f} ± {one.half_width:.3f} below {other}'s {two.mean:.3f} ± {two.half_width:.3f}"
        return f"{name} {metric} {values}, intervals apart", one.mean + one.half_width < two.mean - two.half_width

    sparse, top_k, vq = found["sparse"], found["top_k"], found["vq"]["perplexity"].mean
    return dict(
        [
            below("negative_elbo", "conditional", "variational"),
            below("negative_elbo", "vamp", "variational"),
            below("total_correlation", "factor", "variational"),
            below("l0", "top_k", "sparse"),
            (f"vq perplexity {vq:.1f} above half of {codes} codes", vq > codes / 2),
            (
                f"top_k squared error {top_k['squared_error'].mean:.3f} at most sparse's "
                f"{sparse['squared_error'].mean:.3f}",
                top_k["squared_error"].mean <= sparse["squared_error"].mean,
            ),
            (f"top_k dead units {top_k['dead'].mean:.1%} below 5%", top_k["dead"].mean < 0.05),
        ]
    )


def main() -> int:
    """Trains, prints and saves; the exit code is 1 where an expectation was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds (count)")
    parser.add_argument("--epochs", type=int, default=200, help="how often every example is seen (count)")
    parser.add_argument("--out", type=Path, default=Path("runs/family-digits"), help="folder of results.json")
    parser.add_argument("--smoke", action="store_true", help="two seeds, two epochs, no verdict")
    arguments = parser.parse_args()
    seeds, epochs = (2, 2) if arguments.smoke else (arguments.seeds, arguments.epochs)
    data, found, rows = ae_jax.data.digits(), {}, []
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        with ProgressDisplay() as display:
            run = ae_jax.fit(ae_jax.named(name)(), data, seeds=range(seeds), epochs=epochs, callbacks=[display])
        values = measured(name, run, data)
        found[name] = {metric: interval(value.tolist()) for metric, value in values.items()}
        for metric, value in values.items():
            rows += [
                {"autoencoder": name, "seed": seed, "metric": metric, "value": float(one)}
                for seed, one in enumerate(value)
            ]
            shown = found[name][metric]
            print(f"{name:12} {metric:18} {shown.mean:9.4f} ± {shown.half_width:.4f}", flush=True)
        (arguments.out / "results.json").write_text(json.dumps(rows))
    met = expectations(found, ae_jax.vq().objective.parts["bottleneck"].codes)
    for sentence, holds in met.items():
        print(f"{'met' if holds else 'MISSED':6} {sentence}")
    return 0 if arguments.smoke or all(met.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
