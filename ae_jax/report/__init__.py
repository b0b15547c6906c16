"""What people look at: tables, figures, one self-contained HTML page, and progress while they wait."""

from ae_jax.report.answers import AnswerTable, answer_sentence, answer_tables
from ae_jax.report.charts import code_map, comparison_summary, loss_curves, sweep_summary
from ae_jax.report.critical_difference import critical_difference
from ae_jax.report.html import comparison_page, run_page, sweep_page, tasks_page, write_report
from ae_jax.report.pictures import filters, prior_samples, reconstructions
from ae_jax.report.progress import ProgressDisplay
from ae_jax.report.tables import console_table, html_table, legend, markdown_table
from ae_jax.report.uses import (
    anomaly_strip,
    denoising_gains,
    denoising_grid_figure,
    denoising_strip,
    image_grid,
    latent_traversals,
    retrieval_strips,
    roc_and_pr,
)
from ae_jax.report.verdict import verdict

__all__ = [
    "AnswerTable",
    "ProgressDisplay",
    "anomaly_strip",
    "answer_sentence",
    "answer_tables",
    "code_map",
    "comparison_page",
    "comparison_summary",
    "console_table",
    "critical_difference",
    "denoising_gains",
    "denoising_grid_figure",
    "denoising_strip",
    "filters",
    "html_table",
    "image_grid",
    "latent_traversals",
    "legend",
    "loss_curves",
    "markdown_table",
    "prior_samples",
    "reconstructions",
    "retrieval_strips",
    "roc_and_pr",
    "run_page",
    "sweep_page",
    "sweep_summary",
    "tasks_page",
    "verdict",
    "write_report",
]
