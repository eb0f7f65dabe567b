"""Replays: whole data sets through whole chains of real processes, with faults, checked to the unit."""
