"""A whole chain on virtual time: the production code of node and hub, with every fault of the world drawn from one seed."""
