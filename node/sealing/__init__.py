"""What only some may read at a node: its keys, sealed details, and keeping keys with the hub.

    own_keys    the node's own key pairs, and its signed word of the newest
    details     sealing with a movement, opening with a note, destroying a key
    keeping     handing keys to the hub and asking for others', one question at a time
    rewrapping  who may open what, brought up to date: another key, a new node, one that left

Invariant: what is sealed is in clear in memory alone, between a request and its answer; nothing here logs any of it.
"""
