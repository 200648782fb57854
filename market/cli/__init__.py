"""The command `market`: one module per group of commands, put together in `main`."""
