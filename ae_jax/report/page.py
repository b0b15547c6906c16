"""The parts of a page that opens offline: everything it shows is inside it, everything given is escaped."""

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from typing import Any

from matplotlib.figure import Figure

from ae_jax.report.canvas import to_png

_WIDE_INCHES = 7.0


def document(title: str, *content: str) -> str:
    """A whole HTML page with its style, of parts that are HTML already."""
    style = resources.files("ae_jax.report").joinpath("style.css").read_text(encoding="utf-8")
    body = "\n".join(part for part in content if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def header(title: str, lede: str, facts: str) -> str:
    """The title, the sentence that answers, and what was done."""
    return f"<header>\n<h1>{escape(title)}</h1>\n{paragraph(lede, 'lede')}\n{paragraph(facts, 'facts')}\n</header>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of a style; nothing for no text.

    Example:
      >>> paragraph("a < b")
      '<p>a &lt; b</p>'
    """
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>" if text else ""


def section(title: str, anchor: str, *content: str) -> str:
    """A heading that links lead to, and what stands below it."""
    body = "\n".join(part for part in content if part)
    return f'<section id="{escape(anchor)}">\n<h2>{escape(title)}</h2>\n{body}\n</section>'


def links(targets: Iterable[tuple[str, str]]) -> str:
    """Where in the page what stands, of (title, anchor)."""
    items = "".join(f'<a href="#{escape(anchor)}">{escape(title)}</a>' for title, anchor in targets)
    return f'<nav aria-label="Contents">{items}</nav>'


def notes(messages: Sequence[str]) -> str:
    """What a reader must know, in a box; nothing for no messages."""
    items = "".join(f"<li>{escape(message)}</li>" for message in messages)
    return f'<ul class="notes" role="note">{items}</ul>' if messages else ""


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Terms and what they mean."""
    return f"<dl>{''.join(f'<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>' for term, meaning in pairs)}</dl>"


def scrolling(content: str) -> str:
    """A box that scrolls by itself where the content is wider than the screen."""
    return f'<div class="scroll" tabindex="0">{content}</div>'


def collapsed(title: str, content: str, *, printed: bool = False) -> str:
    """What a reader may open; on paper it is shown if it is to be printed."""
    kind = ' class="printed"' if printed else ""
    return f"<details{kind}><summary>{escape(title)}</summary>\n{content}\n</details>"


def as_json(value: Any) -> str:
    """A value as indented JSON, for reading; what JSON cannot say is said as text."""
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False, default=str))}</pre>"


def picture(figure: Figure | None, alt: str, caption: str, *, narrow: Figure | None = None) -> str:
    """A figure as a PNG inside the page, as wide as it was drawn where there is room.

    Args:
      figure: what to show; None shows nothing.
      alt: what it shows, for those who cannot see it.
      caption: below it.
      narrow: the same with fewer columns, for a phone; without it a wide figure scrolls there.

    Returns:
      A ``figure`` element, or an empty string.
    """
    if figure is None:
        return ""
    width, height = figure.get_size_inches()
    image = (
        f'<img src="{_source(figure)}" alt="{escape(alt)}" width="{round(96 * width)}" height="{round(96 * height)}">'
    )
    if narrow is not None:
        image = f'<picture><source media="(max-width: 42rem)" srcset="{_source(narrow)}">{image}</picture>'
    wide = narrow is None and width >= _WIDE_INCHES
    return (
        f'<figure style="--inches: {width:.2f}"><div class="scroll{" wide" if wide else ""}">{image}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def figures(*pictures: str) -> str:
    """Figures beside each other as far as there is room."""
    return f'<div class="figures">\n{chr(10).join(p for p in pictures if p)}\n</div>' if any(pictures) else ""


def _source(figure: Figure) -> str:
    return f"data:image/png;base64,{base64.b64encode(to_png(figure)).decode('ascii')}"
