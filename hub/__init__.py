"""The hub: it takes in the nodes' logs, merges them, and sends the merged rows back.

Rule: it never authors an operation, and only `app.py` knows every part. See DESIGN.md.
"""
