"""Interfaces of procurement: selections are listed, requested and signed."""
