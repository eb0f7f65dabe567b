"""Tests of documents with a course: tables, merges of what happened apart, books that never leak."""
