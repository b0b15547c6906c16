"""``explore``: a served page, or one as a file."""

from http.server import ThreadingHTTPServer

import numpy as np
import pytest

import ae_jax


@pytest.mark.usefixtures("embedded")
def test_a_page_is_exported(call, run_folder, file):
    outcome = call("explore", run_folder, "--export", "page.html").ok()
    assert outcome.out == "page.html: a page that opens offline\n"
    page = (outcome.folder / "page.html").read_text()
    assert "anomaly score" in page
    outcome = call("explore", run_folder, "--data", file, "--export", "page.html").ok()
    assert "The 64 examples of the data." in (outcome.folder / "page.html").read_text()


def test_without_the_data_trained_on_there_is_no_anomaly_score(call, run_folder, x, tmp_path):
    np.save(tmp_path / "bare.npy", x[:1])
    run = ae_jax.load(run_folder)
    run.record.pop("source")
    outcome = call("explore", run.save(tmp_path / "run"), "--data", "bare.npy", "--export", "page.html").ok()
    assert "no anomaly score" in outcome.err


@pytest.mark.usefixtures("embedded")
def test_a_page_is_served_until_it_is_interrupted(call, run_folder, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", interrupt)
    outcome = call("explore", run_folder).ok()
    assert outcome.out.startswith("http://127.0.0.1:")
    assert "undercomplete on few; Ctrl-C ends it" in outcome.out
