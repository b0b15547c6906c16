"""A user's script, from a table to a scored file, a tracked run, an ONNX encoder and a folder for the hub."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ae_jax

mlflow = pytest.importorskip("mlflow", reason="pip install -e '.[integrations]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="pip install -e '.[integrations]'")

SCRIPT = Path(__file__).with_name("orders.py")


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Orders of three cities, one of which in ten lacks its amount, and five of which are far too dear."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "order": [f"A{number}" for number in range(300)],
            "ordered": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 300, 300), unit="D"),
            "city": rng.choice(["Bern", "Genf", "Basel"], 300),
            "amount": np.where(rng.random(300) < 0.1, np.nan, rng.normal(50, 10, 300)),
            "age": rng.integers(18, 80, 300),
        }
    )
    table.loc[:4, "amount"] = 500.0
    table.to_csv(tmp_path / "orders.csv", index=False)
    return tmp_path / "orders.csv"


@pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")  # MLflow's own use of SQLAlchemy
def test_a_script_of_forty_lines_scores_tracks_exports_and_shares(orders: Path, tmp_path: Path) -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 40
    subprocess.run([sys.executable, SCRIPT, orders, tmp_path], check=True, cwd=tmp_path)
    scored = pd.read_csv(tmp_path / "scored.csv", index_col="order")
    assert len(scored) == 300
    assert set(scored.index[:5]) == {f"A{number}" for number in range(5)}
    runs = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}").search_runs(["1"])
    assert len(runs) == 1
    assert runs[0].data.metrics["validation/loss"] > 0
    run = ae_jax.load(tmp_path / "hub")
    x = np.random.default_rng(0).normal(size=(3, *run.shape)).astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "encoder.onnx")
    np.testing.assert_allclose(session.run(None, {"x": x})[0], run.encode(x), rtol=1e-4, atol=1e-5)
    assert "mit" in (tmp_path / "hub" / "README.md").read_text()
