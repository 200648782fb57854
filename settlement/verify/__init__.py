"""Recomputing the books from their sources, and naming every difference."""
