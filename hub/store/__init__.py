"""Where the hub keeps its ledger, rows and nodes: one interface, and the stores behind it."""
