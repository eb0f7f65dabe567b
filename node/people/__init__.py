"""People at a node: who they are, how they sign in, and when that ends. All of it without the hub.

    passwords   what may be one, and looking at one off the event loop
    roster      who is what where, in memory, as the documents say
    accounts    writing it: operations like any other
    sessions    the tokens of those who signed in, as digests; lockout: who guessed too often
    people      what surfaces ask

Invariant: a verifier proves somebody at one location alone; no secret is logged, answered twice or kept as it is.
"""
