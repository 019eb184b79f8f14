"""What the library costs beside the bare tools, in one table of ratios; `make bench`.

A module of this package that has ``BENCHMARKS``, a tuple of `Benchmark`, is found by itself.
"""
