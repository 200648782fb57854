"""The double-entry books: accounts, balanced transfers, balances. Insert-only."""
