"""Pages for bureaus."""
