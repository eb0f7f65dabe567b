"""One suite that every store of the hub passes, and the stores it is run on."""
