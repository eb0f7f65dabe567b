"""Tests of people at a node: passwords, lockouts, the command line."""
