"""The version of this software; the one in pyproject.toml, which a test compares."""

VERSION = "0.1.0"
SOFTWARE = f"everstock {VERSION}"
