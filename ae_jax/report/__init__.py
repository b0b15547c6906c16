"""Tables, figures, and one self-contained HTML page."""

from ae_jax.report.axes import annotate, new_axes, select_examples, select_member, to_png
from ae_jax.report.charts import code_map, comparison_summary, denoising_gains, loss_curves, roc_and_pr
from ae_jax.report.examples import (
    Panel,
    anomalous_examples,
    denoised_examples,
    draw_examples,
    example_grid,
    latent_traversals,
    mosaic,
    prior_samples,
    reconstructions,
    retrieved_examples,
    scored_examples,
)
from ae_jax.report.filters import first_layer_filters, first_layer_kernels
from ae_jax.report.html import report_html, write_report
from ae_jax.report.sentences import task_sentence, task_tables, verdict
from ae_jax.report.tables import ResultsTable, arrow, means_table, results_table, study_summary

__all__ = [
    "Panel",
    "ResultsTable",
    "annotate",
    "anomalous_examples",
    "arrow",
    "code_map",
    "comparison_summary",
    "denoised_examples",
    "denoising_gains",
    "draw_examples",
    "example_grid",
    "first_layer_filters",
    "first_layer_kernels",
    "latent_traversals",
    "loss_curves",
    "means_table",
    "mosaic",
    "new_axes",
    "prior_samples",
    "reconstructions",
    "report_html",
    "results_table",
    "retrieved_examples",
    "roc_and_pr",
    "scored_examples",
    "select_examples",
    "select_member",
    "study_summary",
    "task_sentence",
    "task_tables",
    "to_png",
    "verdict",
    "write_report",
]
