"""Pages for everybody: the visitor's home, signing in, the language, and the probes."""
