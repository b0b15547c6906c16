"""What people look at: tables, figures, one self-contained HTML page, and progress while they wait."""

from ae_jax.report.charts import code_map, comparison_summary, loss_curves, sweep_summary
from ae_jax.report.html import comparison_page, run_page, sweep_page, write_report
from ae_jax.report.pictures import filters, prior_samples, reconstructions
from ae_jax.report.progress import ProgressDisplay
from ae_jax.report.tables import console_table, html_table, legend, markdown_table
from ae_jax.report.verdict import verdict

__all__ = [
    "ProgressDisplay",
    "code_map",
    "comparison_page",
    "comparison_summary",
    "console_table",
    "filters",
    "html_table",
    "legend",
    "loss_curves",
    "markdown_table",
    "prior_samples",
    "reconstructions",
    "run_page",
    "sweep_page",
    "sweep_summary",
    "verdict",
    "write_report",
]
