"""Measures compilation, from the events that JAX reports."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import jax
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


def use_persistent_cache(folder: Path) -> None:
    """Keeps every compiled program in a folder, for later processes."""
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


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
