"""Compilation: its measurement by the events that JAX reports, and the cache of compiled programs."""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, wraps
from pathlib import Path
from typing import Any

import jax
from filelock import FileLock
from jax import monitoring

COST = ("wall_s", "compile_s", "programs", "programs_compiled")
"""The entries of a record that add up over trainings and evaluations."""

_DURATIONS = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
_COMPILED = "/jax/core/compile/backend_compile_duration"
_CACHE_HIT = "/jax/compilation_cache/cache_hits"


@dataclasses.dataclass(eq=False)
class Compilation:
    """Compilations inside a block of :func:`watch_compilation`.

    Attributes:
      programs: number of programs that were compiled or read from the persistent cache.
      from_cache: number of those that were read.
      seconds: time of tracing, lowering and compiling.
      started: when the block began.
    """

    programs: int = 0
    from_cache: int = 0
    seconds: float = 0.0
    started: float = dataclasses.field(default_factory=time.perf_counter)

    def cost(self) -> dict[str, Any]:
        """Seconds since the block began and of compilation, and numbers of programs, as a run records them."""
        return {
            "wall_s": round(time.perf_counter() - self.started, 3),
            "compile_s": round(self.seconds, 3),
            "programs": self.programs,
            "programs_compiled": self.programs - self.from_cache,
        }


_watching: list[Compilation] = []


def _on_duration(event: str, duration_secs: float, **_: Any) -> None:
    for watched in _watching:
        watched.seconds += duration_secs if event in _DURATIONS else 0.0
        watched.programs += event == _COMPILED


def _on_event(event: str, **_: Any) -> None:
    for watched in _watching:
        watched.from_cache += event == _CACHE_HIT


monitoring.register_event_duration_secs_listener(_on_duration)
monitoring.register_event_listener(_on_event)


@contextmanager
def watch_compilation() -> Iterator[Compilation]:
    """Counts the compilations inside the block.

    Example:
      >>> with watch_compilation() as compilation:
      ...     _ = jax.jit(lambda x: x * 3.25)(jnp.ones(7))
      >>> compilation.programs > 0
      True
    """
    compilation = Compilation()
    _watching.append(compilation)
    try:
        yield compilation
    finally:
        _watching.remove(compilation)


CACHE_BYTES = 2**30
"""Size at which programs that were not used for longest leave the cache."""


@cache
def keep_programs() -> None:
    """Keeps compiled programs for later processes, by the rule of :func:`cache_folder`; called once in each process.

    A folder that cannot be written leaves everything as it is.
    """
    with suppress(OSError, RuntimeError):
        use_persistent_cache(cache_folder())


def cache_folder() -> Path | None:
    """The folder that compiled programs are kept in: AE_JAX_CACHE, and where it is empty none.

    Without that variable none where ``jax_compilation_cache_dir`` is set, since JAX then keeps them as its user chose;
    else ae_jax/xla in XDG_CACHE_HOME or ~/.cache.
    """
    chosen = os.environ.get("AE_JAX_CACHE")
    if chosen is not None:
        return Path(chosen).expanduser() if chosen else None
    if jax.config.jax_compilation_cache_dir or not jax.config.jax_enable_compilation_cache:
        return None
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ae_jax" / "xla"


def use_persistent_cache(folder: Path | None) -> None:
    """Keeps every compiled program in a folder; does nothing without one.

    Raises:
      OSError: the folder cannot be written.
    """
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lockfile", timeout=10):  # JAX's own
        for program in folder.glob("*-cache"):
            used = program.with_name(f"{program.name.removesuffix('-cache')}-atime")
            if not used.exists():  # of a process that was killed; earlier versions of JAX then store nothing any more
                used.write_bytes(bytes(8))
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    if jax.config.jax_compilation_cache_max_size == -1:
        jax.config.update("jax_compilation_cache_max_size", CACHE_BYTES)


def compiled_fast(function: Callable[..., Any], *, level: int = 0, **options: Any) -> Any:
    """``jax.jit`` of a program that runs so seldom that compiling it takes longer.

    On a CPU, LLVM optimises it to a level below its usual 3: init of the digits' networks then compiles in a fifth of
    the time.
    """
    whole = jax.jit(function, **options)
    light = jax.jit(function, compiler_options={"xla_backend_optimization_level": level}, **options)

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        return (light if jax.default_backend() == "cpu" else whole)(*arguments, **named)

    call.eval_shape = whole.eval_shape  # pyright: ignore[reportAttributeAccessIssue]
    return call
