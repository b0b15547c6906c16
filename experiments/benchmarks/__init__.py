"""Benchmarks of training speed against PyTorch, pythae and hand-written JAX, and against the machine's own limits."""
