"""What the suite needs of a store's test module beside the store."""

from collections.abc import Awaitable, Callable

from hub.store.interface import HubStore

NewStore = Callable[[], Awaitable[HubStore]]
PlantTotal = Callable[[str, int], Awaitable[None]]
"""Puts a counter of S01 at a total: nine million of the largest lines would come to the same."""
