"""Evaluations of sharing schools, bureaus and the platform, out of settled facts (R65)."""
