"""Interfaces of settlement for machines: each handler decodes, calls one service, and answers."""
