"""Files in and out: movements and sheets of documents from CSV files, stock, movements and sheets to them.

Rule: a row is judged by the same models and recorded by the same command as what a till sends; nothing here writes
to the database.
"""
