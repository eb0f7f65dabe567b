"""Passwords: what may be one, and the slow look at one.

Invariant: every look takes the same work, whether or not there is anybody of that name; at most `HASHES_WAITING_MAX` wait,
so a flood of sign-ins costs memory and tills nothing. All characters of a password count.
"""

import asyncio
import hashlib
import itertools
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from node.commands.requests import Refusal
from protocol.limits import (
    HASHES_WAITING_MAX,
    PASSWORD_CHARS_MAX,
    PASSWORD_CHARS_MIN,
    PIN_DIGITS_MAX,
    PIN_DIGITS_MIN,
)

# The least that OWASP asks of argon2id: 19 MiB, two passes. A till's PIN is looked at in 40 ms on two small cores.
PARAMETERS: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_WORKERS: Final = 2
_MEMORY_KIB_MAX: Final = 64 * 1024
_PASSES_MAX: Final = 8
_LANES_MAX: Final = 4
"""A verifier that asks for more is another shop's trick, and proves nobody."""
T = TypeVar("T")
_COMMON: Final = frozenset(
    line
    for line in Path(__file__).with_name("common_passwords.txt").read_text("ascii").splitlines()
    if not line.startswith("#")
)


def as_typed(secret: str) -> str:
    """One form for what the same keys give on different machines (NIST SP 800-63B section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", secret)


def password_fault(password: str, username: str) -> str | None:
    """Why it may not be somebody's password; None when it may. No kind of character is asked for."""
    text = as_typed(password)
    if not PASSWORD_CHARS_MIN <= len(text) <= PASSWORD_CHARS_MAX:
        return f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
    if hashlib.blake2b(text.casefold().encode(), digest_size=6).hexdigest() in _COMMON:
        return "this password is among the most used ones"
    if username.casefold() in text.casefold() or len(set(text)) < 4:
        return "this password is easily guessed"
    return None


def pin_fault(pin: str) -> str | None:
    """Why it may not be somebody's PIN; None when it may."""
    if not (pin.isascii() and pin.isdigit() and PIN_DIGITS_MIN <= len(pin) <= PIN_DIGITS_MAX):
        return f"a PIN has {PIN_DIGITS_MIN} to {PIN_DIGITS_MAX} digits"
    steps = {(int(b) - int(a)) % 10 for a, b in itertools.pairwise(pin)}
    if len(steps) == 1 and steps <= {0, 1, 9}:
        return "this PIN is easily guessed"
    return None


class Hashing:
    """The looks of one node, two at a time."""

    def __init__(self, hasher: PasswordHasher = PARAMETERS) -> None:
        self._hasher = hasher
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobodys: str | None = None

    async def hash(self, secret: str) -> str:
        """The verifier of a secret, with a salt of its own.

        Raises:
            Refusal: `unavailable` when too many wait.
        """
        return await self._run(lambda: self._hasher.hash(as_typed(secret)))

    async def verify(self, verifier: str | None, secret: str) -> bool:
        """Whether a secret is the one; of nobody's verifier never, after the same work.

        Raises:
            Refusal: `unavailable` when too many wait.
        """
        return await self._run(lambda: self._matches(verifier, as_typed(secret)))

    def close(self) -> None:
        """Begin nothing more; what has begun ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, verifier: str | None, secret: str) -> bool:
        if self._nobodys is None:
            self._nobodys = self._hasher.hash("nobody's")
        try:
            _check_bounded(verifier or self._nobodys)
            found = self._hasher.verify(verifier or self._nobodys, secret)
        except (VerificationError, InvalidHashError):
            return False
        return found and verifier is not None

    async def _run(self, look: Callable[[], T]) -> T:
        if self._waiting >= HASHES_WAITING_MAX:
            raise Refusal("unavailable", "too many sign in at once; come back in a moment")
        self._waiting += 1
        looking = asyncio.get_running_loop().run_in_executor(self._pool, look)
        # It goes on when whoever waits for it has gone, so only its end makes room.
        looking.add_done_callback(self._ended)
        return await asyncio.shield(looking)

    def _ended(self, looking: "asyncio.Future[T]") -> None:
        self._waiting -= 1
        if not looking.cancelled():
            looking.exception()  # whoever waited for it was told, or has gone


def _check_bounded(verifier: str) -> None:
    asked = extract_parameters(verifier)
    if (
        asked.memory_cost > _MEMORY_KIB_MAX
        or asked.time_cost > _PASSES_MAX
        or asked.parallelism > _LANES_MAX
    ):
        raise InvalidHashError("it asks for more work than any of ours")
