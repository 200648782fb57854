"""Agreements, metering, rating, statements and the ledger: from a use to the last fen."""
