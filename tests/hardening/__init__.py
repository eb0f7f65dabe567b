"""Hostile clients against real daemons: what each may take, and that everybody else is still served."""
