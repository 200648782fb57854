"""What a school sees: its home, statements, funding and agreements."""
