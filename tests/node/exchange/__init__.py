"""Files in and out of a node."""
