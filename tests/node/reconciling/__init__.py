"""What merged events leave owing, and who books it: several real nodes and an oracle of a hub."""
