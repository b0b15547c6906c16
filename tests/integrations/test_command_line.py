"""The command line with optional packages."""

import contextlib

import numpy as np
import pytest

onnxruntime = pytest.importorskip("onnxruntime")

from ae_jax.cli import main  # noqa: E402


def test_a_run_is_exported(run, small, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AE_JAX_CACHE", "")
    run.save(tmp_path / "saved")
    with contextlib.chdir(tmp_path):
        assert main(["export", "saved", "--to", "onnx", "--out", "exported"]) == 0
    assert capsys.readouterr().out.split() == ["exported/encoder.onnx", "exported/decoder.onnx"]
    x = small.test.x.astype(np.float32)
    (codes,) = onnxruntime.InferenceSession(str(tmp_path / "exported" / "encoder.onnx")).run(None, {"x": x})
    np.testing.assert_allclose(codes, run.encode(small.test.x), atol=1e-4)
