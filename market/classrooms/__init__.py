"""Classroom boxes: their pages for schools and bureaus, and where their packages come in."""
