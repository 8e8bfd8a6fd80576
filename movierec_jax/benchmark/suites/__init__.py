"""What `scripts/benchmark.py` measures, a suite in each file."""
