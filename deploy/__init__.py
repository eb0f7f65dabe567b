"""Running Everstock: a whole chain on one machine, the demonstration, and what an installation needs.

Nothing in the product imports this package; it drives the two commands from outside.
"""
