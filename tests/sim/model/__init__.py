"""The sync as a pure model: no sockets, no SQL, none of the product's code; one random history in a few milliseconds.

    facts        operations, their effects, and how rows take them in
    mechanisms   what keeps histories apart; each can be left out
    hub, node    the two sides
    world        a random history with its faults, healed, and what the oracles say of it
    test_model   no history goes wrong with every mechanism, and each one left out is noticed

Invariant: the model is written from the design and not from the product, so that a mistake of the one is not repeated
in the other. What the design says and the product does not do yet (access and revocations as documents) is here too.
"""
