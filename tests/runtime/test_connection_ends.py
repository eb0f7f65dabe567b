"""A client that leaves is no event, however early it does so."""

import asyncio

import pytest

from runtime.bounds import Bounds
from runtime.connections import Runner
from runtime.metrics import new_registry
from runtime.service import new_app


class _Gone(asyncio.Transport):
    """The end of a client that left before anybody looked."""

    def is_closing(self) -> bool:
        return True

    def abort(self) -> None:
        pass

    def close(self) -> None:
        pass


async def test_a_client_that_left_before_it_was_served_is_no_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = new_app(lambda: (), new_registry())
    runner = Runner(app, Bounds(), access_log=None)
    await runner.setup()
    try:
        assert runner.server is not None
        connection = runner.server()
        connection.connection_made(_Gone())
        connection.connection_lost(None)
        for _ in range(3):
            await asyncio.sleep(0)
    finally:
        await runner.cleanup()
    assert caplog.records == []
