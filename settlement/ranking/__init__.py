"""Survival of the fittest (R42-R46): what schools do and say, scored per cell, with confidence."""
