"""The explorer's page as a widget of Jupyter, VS Code and marimo; needs the extra ``explore``."""

import json
from typing import Any

from ae_jax.errors import InvalidInput, import_extra
from ae_jax.explore.decoder import encoded
from ae_jax.explore.explorer import explore, source_of
from ae_jax.training import Run


def widget(run: Run, data: Any, labels: Any = None) -> Any:
    """Makes the widget of an explorer, its attribute ``explorer``; the notebook's kernel decodes what the page cannot.

    Args:
      run, data, labels: as of :func:`ae_jax.explore.explore`.

    Raises:
      InvalidInput: the extra is not installed, or as of :func:`ae_jax.explore.explore`.
    """
    what = "run.explore, unlike ae_jax.explore.explore(run, data).save('page.html'),"
    anywidget, traitlets = (import_extra(module, "explore", what) for module in ("anywidget", "traitlets"))
    made, (script, markup, start) = (
        explore(run, data, labels),
        map(source_of, ("explore.js", "parts.html", "widget.js")),
    )

    class ExplorerWidget(anywidget.AnyWidget):
        explorer = made
        _esm = f"{script}\nconst MARKUP = {json.dumps(markup)};\n{start}"
        _css = source_of("explore.css")
        contents = traitlets.Dict(made.contents).tag(sync=True)
        asked = traitlets.Dict().tag(sync=True)
        answer = traitlets.Dict().tag(sync=True)

        @traitlets.observe("asked")
        def _decode(self, change: Any) -> None:
            asked = change["new"]
            try:
                decoded = made.decode(asked["codes"], asked.get("condition"))
                self.answer = {"id": asked["id"], "examples": [encoded(example) for example in decoded]}
            except InvalidInput as error:
                self.answer = {"id": asked["id"], "error": str(error)}

    return ExplorerWidget()
