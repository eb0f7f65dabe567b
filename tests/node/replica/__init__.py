"""Tests of `node.replica`: the database and the view."""
