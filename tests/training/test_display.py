"""What a notebook shows of a run."""

import dataclasses
from html.parser import HTMLParser

import numpy as np

from ae_jax import Run
from ae_jax.training.display import run_html, sparkline


class Balanced(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.ok = True
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.ok &= bool(self.open) and self.open.pop() == tag


def test_a_run_shows_its_facts_and_last_values(population: Run):
    html = population._repr_html_()
    parsed = Balanced(html)
    assert parsed.ok
    assert not parsed.open
    last = population.history["validation"]["kl"][:, -1].mean()
    assert f"validation {last:.4g}" in html
    assert f"{population.parameters:,}" in html
    assert "4 (seeds 5, 6, 5, 6)" in html


def test_a_run_of_no_epoch_and_a_single_run_show_themselves(run: Run):
    assert "<svg" not in dataclasses.replace(run, history={})._repr_html_()
    assert "1 (seed 5)" in run._repr_html_()


def test_everything_given_is_escaped():
    html = run_html("<script>", {"<b>": "<i>"}, {"<split>": {"<term>": np.ones((1, 2)), "loss": np.ones((1, 2))}})
    assert not any(f"<{tag}>" in html for tag in ("script", "b", "i", "split", "term"))


def test_the_sparkline_falls_where_the_loss_does():
    html = sparkline({"train": np.array([8.0, 4.0, 2.0])})
    points = html.split('points="')[1].split('"')[0].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == [4.0, 30.0, 56.0]  # downwards in equal steps: the scale is logarithmic
    assert sparkline({"train": np.array([1.0])}) == ""
