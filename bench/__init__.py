"""Commands that make the figures of BENCHMARKS.md: `python -m bench.<name>`."""
