"""The command ``explore``."""

from pathlib import Path
from typing import Annotated

from ae_jax.cli.inputs import examples_of, trained_on
from ae_jax.cli.options import FROM_RUN, InputData, RunFolder, option
from ae_jax.cli.session import say
from ae_jax.cli.use import load_members
from ae_jax.data import RawData
from ae_jax.errors import InvalidInput

Export = Annotated[Path | None, option("FILE.html", "the page is served")]


def explore(run: RunFolder, data: InputData = FROM_RUN, *, port: int = 0, export: Export = None) -> int:
    """Serves a page to explore codes: a map, examples, sliders of latents, traversals and interpolation.

    Only this machine can open the page, at the address that is printed. Ctrl-C ends it.

    Args:
      data: what the run is used on; at most 2,000 examples are shown.
      port: of the address; 0 chooses a free one.
      export: file for the page, which then opens offline and is not served.
    """
    from ae_jax.explore import explore as make
    from ae_jax.explore import serve
    from ae_jax.report import select_member

    loaded = select_member(load_members(run, data.member))
    examples = examples_of(loaded, data)
    normal = RawData(None)
    try:
        normal = trained_on(loaded)
    except InvalidInput as error:
        say(f"note: there is no anomaly score, which compares with the examples trained on ({error})")
    known = {"ids": examples.ids, "reference": normal.x, "reference_labels": normal.labels}
    explorer = make(loaded, examples.x, examples.labels, **known)
    if export is not None:
        print(f"{explorer.save(export)}: a page that opens offline")
        return 0
    server, address = serve(explorer, port)
    print(f"{address} shows {explorer.contents['title']}; Ctrl-C ends it", flush=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
