"""What every store of the hub must do.

A store's test module imports the classes of this package and gives the fixtures: `store`, a founded and empty store of
the chain CHAIN; `new_store`, which makes another at each call; `plant_total`, see `needs`.
"""
