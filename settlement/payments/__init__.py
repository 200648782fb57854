"""Payments: runs that two people release, carried out at a gateway or by a treasury, once each."""
