"""One attempt at a webhook, signed as Standard Webhooks says (github.com/standard-webhooks/standard-webhooks, v1).

Invariant: an attempt ends within `DELIVERY_S_MAX`, follows no redirect, reads nothing of the answer but its status, and
goes only where the gate lets it. The signature covers id, time and body, so none of them can be another's.
"""

import base64
import hmac
from collections.abc import Sequence
from typing import Final

import aiohttp

from node.alerting.gate import AddressRefused, Gate
from node.alerting.settings import Network, Webhook, secret_bytes
from protocol.limits import DELIVERY_S_MAX
from runtime.version import SOFTWARE

_GONE: Final = 410
_SUCCESS: Final = range(200, 300)


class Failed(Exception):
    """An attempt that came to nothing; the message is one line for the operator, without the address or the secret."""

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good
        """Whether another attempt is no use."""


def signature(key: bytes, id_: str, timestamp_s: int, body: bytes) -> str:
    """What `webhook-signature` says."""
    signed = b".".join((id_.encode(), str(timestamp_s).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


class Sender:
    """Posts to one webhook."""

    def __init__(self, webhook: Webhook, networks: Sequence[Network]) -> None:
        self._url = webhook.url
        self._key = secret_bytes(webhook.secret)
        self._gate = Gate(networks, is_plain=webhook.url.lower().startswith("http:"))

    async def send(self, id_: str, body: bytes, now_ms: int) -> None:
        """Post one event; returns when the receiver has taken it.

        Raises: Failed.
        """
        timestamp_s = now_ms // 1000
        headers = {
            "Content-Type": "application/json",
            "User-Agent": SOFTWARE.replace(" ", "/"),
            "webhook-id": id_,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": signature(self._key, id_, timestamp_s, body),
        }
        try:
            status = await self._post(headers, body)
        except TimeoutError:
            raise Failed("no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Failed(_reason(error)) from error
        if status not in _SUCCESS:
            raise Failed(f"answered {status}", for_good=status == _GONE)

    async def _post(self, headers: dict[str, str], body: bytes) -> int:
        # A connection for each: nothing of an answer that was too long is left for the next.
        connector = aiohttp.TCPConnector(
            force_close=True, limit=1, use_dns_cache=False, socket_factory=self._gate.open
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=DELIVERY_S_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as http,
            http.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return str(cause)
        cause = getattr(cause, "os_error", None) or cause.__cause__
    # Not its words: they hold the address, and what the receiver sent.
    return f"not reached: {type(error).__name__}"
