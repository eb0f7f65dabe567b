"""Chaos: real processes killed and cut off under load, judged over the public HTTP interface alone."""
