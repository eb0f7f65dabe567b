"""What requests without a good token, and tries to get one, cost the address that they come from.

Rule: whoever has a token is never kept waiting by those who have none, also at the same address: only what failed is
counted. A token has 256 random bits and is not guessed at any rate; this is for who floods, and for the till that was
given a wrong one and asks for ever.
"""

import asyncio
import math
from typing import Final

from aiohttp import web

from runtime.addresses import client_address, site_of
from runtime.problems import Problem
from runtime.throttle import Operation, Rate, Throttle

THROTTLE: Final = web.AppKey("THROTTLE", Throttle)
"""All buckets of a daemon; whatever is limited is counted here."""

# Twenty a second of an address, all its tills together. A program that tries all addresses once is not cut off.
FAILED_TOKEN: Final = Operation("token", per_address=Rate(1_000, 0.05))

# A person takes some seconds for a try. Each costs a look at a password and a commit, which others wait for.
SIGN_IN: Final = Operation("sign_in", per_address=Rate(100, 1.0))


def count_try(request: web.Request) -> None:
    """Count somebody who wants to sign in, or an account; `forgive_try` where it was somebody of ours.

    Raises: Problem `rate_limited` 429, once too many from their address were not.
    """
    address = site_of(client_address(request))
    refuse_if(request.app[THROTTLE].take(SIGN_IN, clock_s(), address=address))


def forgive_try(request: web.Request) -> None:
    """Take a try back: whoever it was has signed in."""
    address = site_of(client_address(request))
    request.app[THROTTLE].give_back(SIGN_IN, clock_s(), address=address)


def count_failure(request: web.Request) -> None:
    """Count a request that came without a good token.

    Raises: Problem `rate_limited` 429, once there were too many.
    """
    address = site_of(client_address(request))
    refuse_if(request.app[THROTTLE].take(FAILED_TOKEN, clock_s(), address=address))


def clock_s() -> float:
    """The clock that buckets of a daemon are filled by."""
    return asyncio.get_running_loop().time()


def refuse_if(wait_s: float) -> None:
    """Say after how long to come back; nothing when that is at once.

    Raises: Problem `rate_limited` 429.
    """
    if wait_s > 0:
        headers = {"Retry-After": str(math.ceil(wait_s))}
        raise Problem("rate_limited", "Too many tries; come back later.", headers=headers)
