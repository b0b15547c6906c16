import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import pytest

from ae_jax.training.compilation import cache_folder, watch_compilation


def test_counts_what_is_compiled_inside_the_block_only():
    scaled = jax.jit(lambda x: x * 1.2345)
    x = jnp.ones(11)
    with watch_compilation() as first:
        scaled(x)
    with watch_compilation() as second:
        scaled(x)
    assert (first.programs, second.programs) == (1, 0)
    assert first.seconds > 0.0
    assert second.seconds == 0.0


@pytest.fixture
def untouched(monkeypatch):
    """JAX's own cache as a user who configured nothing has it."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.delenv("AE_JAX_CACHE", raising=False)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.mark.usefixtures("untouched")
def test_the_cache_is_in_the_user_s_cache_folder_unless_the_user_chose_another_or_none(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "ae_jax" / "xla"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "ae_jax" / "xla"
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    assert cache_folder() is None
    monkeypatch.setenv("AE_JAX_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.setenv("AE_JAX_CACHE", "")
    assert cache_folder() is None


def test_a_training_in_python_is_served_from_the_cache_in_another_process(tmp_path):
    program = textwrap.dedent("""
        import numpy as np
        import ae_jax
        linear = ae_jax.undercomplete(code=2, hidden=(), shortcut=False)
        run = ae_jax.fit(linear, np.eye(8, dtype=np.float32), epochs=1, batch_size=8)
        print(run.record["programs"], run.record["programs_compiled"])
    """)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}

    def run() -> tuple[str, str]:
        command = [sys.executable, "-c", program]
        made = subprocess.run(
            command, env=environment | {"AE_JAX_CACHE": str(tmp_path)}, capture_output=True, text=True, check=True
        )
        return made.stdout.strip(), made.stderr

    assert run() == ("3 3", "")
    (tmp_path / "unfinished-cache").write_bytes(b"of a process that was killed")
    assert run() == ("3 0", "")
    assert (tmp_path / "unfinished-atime").exists()
