"""Files in and out: movements from a CSV file, stock and movements to one.

Rule: a row is judged by the same models and recorded by the same command as what a till sends; nothing here writes
to the database.
"""
