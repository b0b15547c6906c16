import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp

from ae_jax.training.compilation import watch_compilation


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


def test_a_persistent_cache_serves_another_process(tmp_path):
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        import jax
        from ae_jax.training.compilation import use_persistent_cache, watch_compilation
        use_persistent_cache(Path(sys.argv[1]))
        with watch_compilation() as compilation:
            jax.jit(lambda x: x * 2.0)(3.0)
        print(compilation.programs, compilation.cost()["programs_compiled"])
    """)

    def run() -> str:
        command = [sys.executable, "-c", program, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert [run(), run()] == ["1 1", "1 0"]
