"""Tests of the node's HTTP surface: a real node on a real folder, asked through a real socket."""
