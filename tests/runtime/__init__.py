"""Tests of `runtime`, beside the modules they test by name."""
