"""The frames of a session, by what they are for.

    handshake   who is there, may they, and where does each side stand; also the end of a session
    log         a replica's operations going up, and what became of them
    feed        rows coming down
    repair      what follows a loss: claims, digests by bucket, history pages
    keys        the keys of sealed records, which are beside the logs

Invariant: a frame class knows its number and both directions of its form; reading checks every value. Keys that a
reader does not know are ignored after a check that they are plain, so a newer peer may add some.
"""
