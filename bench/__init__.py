"""Commands that make the figures of BENCHMARKS.md and docs/benchmarks: `python -m bench.<name>`."""
