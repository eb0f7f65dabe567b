"""Tests of the agreement: one file per module of `protocol/`, and the properties that cross them."""
