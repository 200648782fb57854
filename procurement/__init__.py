"""What schools and bureaus do before money is spent: funding, selection, approval."""
