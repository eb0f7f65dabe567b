"""Reports: what is in them is what is in the database, and what is not in them is said."""
