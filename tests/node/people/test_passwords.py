"""What may be a password, and how one is looked at."""

import asyncio

import pytest
from argon2 import PasswordHasher

from node.commands.requests import Refusal
from node.people.passwords import PARAMETERS, Hashing, password_fault, pin_fault
from protocol.limits import (
    HASHES_WAITING_MAX,
    PASSWORD_CHARS_MAX,
    PASSWORD_CHARS_MIN,
    PIN_DIGITS_MAX,
    PIN_DIGITS_MIN,
    VERIFIER_CHARS_MAX,
)

FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "x7#pQ",
        "caf\u00e9 au lait, s'il vous pla\u00eet",
        "\u0431\u043e\u043b\u044c\u0448\u043e\u0439 \u0441\u0435\u043a\u0440\u0435\u0442",
        "abcdefgh" * 32,
        "with\x00nul inside",
        " spaces at both ends ",
    ],
)
def test_s24_any_characters_of_a_fit_length_make_a_password(password: str) -> None:
    fits = PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX
    assert (password_fault(password, "ann") is None) == fits


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "characters"),
        ("x" * (PASSWORD_CHARS_MAX + 1), "characters"),
        ("password", "most used"),
        ("PassWord", "most used"),
        ("iloveyou", "most used"),
        ("qwertyuiop", "most used"),
        ("annannann", "guessed"),
        ("aaaaaaaaaaaa", "guessed"),
    ],
)
def test_s24_what_is_short_or_used_by_many_is_none(password: str, why: str) -> None:
    assert why in str(password_fault(password, "ann"))


@pytest.mark.parametrize("pin", ["4711", "831904", "9" * 3 + "1"])
def test_a_pin_is_a_few_digits(pin: str) -> None:
    assert pin_fault(pin) is None


@pytest.mark.parametrize(
    "pin",
    ["1234", "0000", "98765", "1" * PIN_DIGITS_MIN, "4" * PIN_DIGITS_MAX + "7", "471", "47a1", ""],
)
def test_a_pin_that_anybody_tries_first_is_none(pin: str) -> None:
    assert pin_fault(pin) is not None


async def test_s24_all_characters_of_a_password_count() -> None:
    hashing = Hashing(FAST)
    verifier = await hashing.hash("a" * 100 + "b")
    assert await hashing.verify(verifier, "a" * 100 + "b")
    assert not await hashing.verify(verifier, "a" * 100 + "c")
    nul = await hashing.hash("before\x00after")
    assert not await hashing.verify(nul, "before\x00other")
    hashing.close()


async def test_s24_the_same_keys_make_the_same_password_on_any_machine() -> None:
    hashing = Hashing(FAST)
    assert await hashing.verify(await hashing.hash("caf\u00e9 2026!"), "cafe\u0301 2026!")
    hashing.close()


async def test_nobodys_verifier_is_never_right_and_each_has_a_salt_of_its_own() -> None:
    hashing = Hashing(FAST)
    assert not await hashing.verify(None, "nobody's")
    one, other = await hashing.hash("a secret"), await hashing.hash("a secret")
    assert one != other
    assert "argon2id" in one
    hashing.close()


@pytest.mark.parametrize(
    "verifier",
    [
        "",
        "x",
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$",
        FAST.hash("a").replace("m=8", "m=4194304"),
        FAST.hash("a").replace("t=1", "t=4000000"),
    ],
    ids=["empty", "no verifier", "no digest", "four gigabytes", "four million rounds"],
)
async def test_a_verifier_that_another_shop_made_up_proves_nobody_and_costs_nothing(
    verifier: str,
) -> None:
    hashing = Hashing(FAST)
    async with asyncio.timeout(5):
        assert not await hashing.verify(verifier, "a")
    hashing.close()


async def test_of_a_flood_of_sign_ins_only_so_many_wait() -> None:
    hashing = Hashing(FAST)
    looks = [asyncio.create_task(hashing.hash("x")) for _ in range(HASHES_WAITING_MAX + 5)]
    found = await asyncio.gather(*looks, return_exceptions=True)
    refused = [one for one in found if isinstance(one, Refusal)]
    assert [one.code for one in refused] == ["unavailable"] * 5
    assert await hashing.hash("there is room again")
    hashing.close()


def test_what_is_kept_fits_its_field_and_is_as_slow_as_owasp_asks() -> None:
    assert len(PARAMETERS.hash("x" * PASSWORD_CHARS_MAX)) <= VERIFIER_CHARS_MAX
    assert (PARAMETERS.memory_cost, PARAMETERS.time_cost) >= (19 * 1024, 2)
