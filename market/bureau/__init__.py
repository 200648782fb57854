"""What a bureau sees: its region's schools and their money, and the closes of periods."""
