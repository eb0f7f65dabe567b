"""What open documents owe: the goods that they promise of a shelf, and those that they have under way to one.

Invariant: whatever was merged, the accounts of a shelf are the sum of these over all documents, once everybody has booked.
"""

from collections import Counter

from protocol.effects import Account
from tests.shopwork.papers import Key, Paper


def promised(paper: Paper) -> Counter[Key]:
    """What is reserved for it."""
    owed = paper.owed().get("reserved", Counter())
    total: Counter[Key] = Counter()
    for (sku, lot, _), amount in owed.items():
        total[paper.home("reserved"), sku, lot, int(Account.RESERVED)] += amount
    return total


def under_way(paper: Paper) -> Counter[Key]:
    """What is in transit for it: of a closed transfer nothing, whatever it once was."""
    if paper.collection != "transfers" or paper.stage == "closed":
        return Counter()
    return Counter({key: n for key, n in paper.accounts().items() if key[3] == Account.IN_TRANSIT})
