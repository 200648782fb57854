"""The sample county: invented, the same on every machine, and marked as sample data."""
