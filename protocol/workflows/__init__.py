"""What documents ask of people and do to stock: transfers, orders, stocktakes, alerts. Pure tables and functions.

Read `steps` (what a command comes to), `progress` (what a document says), `bookkeeping` (what it owes), then
`transfers`, `orders`, `stocktakes`; `alerts` stands alone.

Invariants, which the tests of this room enumerate:
- **Goods are events, promises are books.** An event of goods counts wherever it was recorded, so it is an operation of
  its own. A book (reserved, short, counted) is brought to what the document owes, which is a function of the *set* of
  its events: any order and grouping of merges gives one amount.
- **Named operations count once.** What two people may do twice (release one promise, scan one parcel) has an op_id made
  of document, line and transition, and effects that say nothing of who did it.
- **Decisions join by rank; what is shown is derived** from the decision and the goods that moved. Goods that have moved
  outweigh every decision that says they should not have.
"""
