"""The hub's store in one SQLite file: one process, nothing to set up, and the default."""
