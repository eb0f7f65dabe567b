"""Tests of the live stream's core."""
