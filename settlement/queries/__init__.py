"""What pages and reports read of settlement: statements, lines, uses, funding, earnings."""
