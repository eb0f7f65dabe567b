"""A real hub and real nodes in one process, over sockets, through losses of either side's history."""
