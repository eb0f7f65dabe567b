"""Tests of the hub: its sessions, feed, enrolment, operator's API and commands."""
