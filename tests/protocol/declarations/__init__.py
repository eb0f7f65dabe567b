"""Tests of the declared collections of documents."""
