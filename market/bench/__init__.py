"""Benchmarks: ratios of the product's work to the bare work of the database, in one run."""
