"""What documents ask of people and do to stock: transfers, orders, stocktakes, alerts. Pure tables and functions.

Read `steps` (what a command comes to), `progress` (what a document says), `bookkeeping` (what it owes), `acts` (what
all documents with goods share), then `transfers`, `orders`, `count_sheet` and `stocktakes`. `differences` says what people
have to look at, `acknowledgement` who has not answered. `alerts` and `replenishment` look at stock alone.

Invariants, which the tests of this room enumerate:
- **Goods are events, promises are books.** An event of goods counts wherever it was recorded, so it is an operation of
  its own. A book (reserved, short, counted) is brought to what the document owes, which is a function of the *set* of
  its events: any order and grouping of merges gives one amount.
- **Named operations count once.** What two people may do twice (release one promise, scan one parcel, take back one
  event) has an op_id made of document and transition, and effects that say nothing of who did it or when.
- **Decisions join by rank; what is shown is derived** from the decision and the goods that moved. Goods that have moved
  outweigh every decision that says they should not have.
"""
