"""Serving tills on other machines: a shop's own authority, HTTPS, and tokens that count only there."""
