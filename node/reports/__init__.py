"""Reports: what there is, what moved, and what became of a day, for people and for spreadsheets.

Invariants:
- A report is a function of one snapshot of the replica and of a `Moment` that comes in as an argument (the time, and who
  asks): the same snapshot and the same moment give the same report, on every machine.
- It says what it leaves out. What this node does not read, or did not look at, stands in `notes`; it is never a silent 0.
- It reads in pieces of at most `LIST_LIMIT_MAX` rows, holds one piece (or one row for each group) in memory, and runs on a
  reader: it never takes the writer, so nobody who sells waits for it. At most one report reads at a time, so the other
  reader stays with the tills.
- JSON and CSV are made of the same rows by the same function, so they say the same.

To add one: a frozen dataclass of what was asked that is a `frame.Report`, its SQL in a `.sql` beside it, and in `node/api/
reports/` a row model, a `Query` and a handler of three lines; see `node.api.reports.frame`. Nothing here knows of HTTP.
"""
