"""Tests of `node.commands`: what is recorded, and what is not."""
