"""``python -m ae_jax`` is ``ae-jax``."""

from ae_jax.cli import main

raise SystemExit(main())
