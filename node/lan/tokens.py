"""What tells a token for other machines from one for this machine: its first letters, which its digest covers.

Rule: a token counts only where it was made for. A till's token that somebody read on the node's own machine is no use on
the shop's network, one that was read on the network is no use beside the node, and the operator's counts here only.
"""

from typing import Final

KIND: Final = "lan"


def is_for_lan(token: str) -> bool:
    """Whether a token counts when it comes from another machine, and only then."""
    return token.startswith(f"{KIND}_")
