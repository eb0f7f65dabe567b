"""The cases of the security checklist, by their ids; README.md has the table."""
