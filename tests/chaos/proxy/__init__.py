"""The chaos proxy: a line between a node and the hub that does to it whatever lines do, as told or as drawn from a seed."""
