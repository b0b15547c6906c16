"""The command ``models``, which lists the named autoencoders."""

from typing import Annotated

from tyro.conf import Positional, arg

from ae_jax.cli.options import Json
from ae_jax.cli.printing import print_json

Names = Annotated[Positional[tuple[str, ...]], arg(metavar="[NAME ...]", help_behavior_hint="(default: all)")]


def models(names: Names = (), *, json: Json = False) -> int:
    """Lists the named autoencoders: what each is, what it minimises, what it is for, and its source.

    Args:
      names: of autoencoders; those to list.
    """
    from ae_jax.models import NAMED
    from ae_jax.models.descriptions import describe

    described = [describe(name) for name in names or NAMED]
    if json:
        print_json({"models": [one._asdict() for one in described]})
        return 0
    for one in described:
        print(f"{one.name} (changes: {one.changes})\n  {one.summary}\n  minimises: {one.equation}")
        print(f"  use: {one.use}\n  source: {one.sources}")
    print("\nae-jax train NAME --help states the hyper-parameters of an autoencoder.")
    return 0
