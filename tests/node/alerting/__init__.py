"""Tests of alerts: what a node notices, and whom it tells."""
