"""The door for other machines: its authority, its files, and what comes in by it."""
