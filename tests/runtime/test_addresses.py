"""Whose address counts: the connection's own, or what a proxy of ours says last."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from runtime.addresses import client_address, proxy_networks, site_of
from runtime.metrics import new_registry
from runtime.service import new_app
from runtime.settings import SettingsError


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::"),
        (None, ""),
    ],
)
def test_addresses_that_one_line_has_count_as_one(address: str | None, site: str) -> None:
    assert site_of(address) == site


@pytest.mark.parametrize(
    ("proxies", "said", "address"),
    [
        ((), ["198.51.100.1"], "127.0.0.1"),
        (("192.0.2.0/24",), ["198.51.100.1"], "127.0.0.1"),
        (("127.0.0.1",), [], "127.0.0.1"),
        (("127.0.0.1",), ["198.51.100.1"], "198.51.100.1"),
        (("127.0.0.1",), ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        (("127.0.0.1",), ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        (("127.0.0.1", "198.51.100.0/24"), ["203.0.113.9, 198.51.100.1"], "203.0.113.9"),
        (("127.0.0.1",), ["198.51.100.1, nonsense"], "127.0.0.1"),
        (("127.0.0.1",), ["198.51.100.1, "], "127.0.0.1"),
        (("127.0.0.1",), ["198.51.100.1:80"], "127.0.0.1"),
        (("127.0.0.1",), [", ".join(["127.0.0.1"] * 400)], "127.0.0.1"),
        (("127.0.0.0/8",), ["2001:db8::1"], "2001:db8::1"),
    ],
)
async def test_s22_only_a_proxy_of_ours_says_where_a_request_comes_from(
    proxies: tuple[str, ...], said: list[str], address: str, aiohttp_client
) -> None:
    async def where(request: web.Request) -> web.Response:
        return web.json_response(client_address(request))

    app = new_app(list, new_registry(), proxies=proxy_networks(proxies))
    app.router.add_get("/where", where)
    client = await aiohttp_client(TestServer(app, port=0))
    headers = [("X-Forwarded-For", each) for each in said]
    async with client.get("/where", headers=headers) as answer:
        assert await answer.json() == address


@pytest.mark.parametrize("text", ["", "everybody", "10.0.0.1/24", "10.0.0.1:80"])
def test_what_is_no_proxy_is_one_sentence(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^trusted_proxies: .*\.$"):
        proxy_networks((text,))
