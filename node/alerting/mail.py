"""One attempt at a mail.

The standard library's smtplib in a thread of its own: it is kept with Python, does STARTTLS and the logins that mail servers
ask for, and a mail now and then needs no event loop. Invariant: an attempt is bounded in time, and a mail is plain text.
"""

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final

from node.alerting import telling
from node.alerting.settings import Email
from node.alerting.webhooks import Failed
from protocol.limits import DELIVERY_S_MAX

_WAIT_S_MAX: Final = DELIVERY_S_MAX
"""For each answer of the server."""


class Mailer:
    """Sends mail by one server."""

    def __init__(self, email: Email, node_name: str) -> None:
        self._email = email
        self._node_name = node_name

    async def send(self, id_: str, bodies: Sequence[bytes], now_ms: int) -> None:
        """Send one mail about some events; returns when the server has taken it for every recipient.

        Raises: Failed.
        """
        message = self._message(id_, bodies, now_ms)
        try:
            await asyncio.to_thread(self._deliver, message)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            code = getattr(error, "smtp_code", None)
            told = f"answered {code}" if code else f"not reached: {type(error).__name__}"
            raise Failed(told) from error

    def _message(self, id_: str, bodies: Sequence[bytes], now_ms: int) -> EmailMessage:
        subject, text = telling.mail_of(bodies)
        message = EmailMessage()
        message["Subject"] = f"{subject} ({self._node_name})"
        message["From"] = self._email.sender
        message["To"] = ", ".join(self._email.recipients)
        message["Date"] = formatdate(now_ms / 1000)
        # The same at each attempt, so that whoever got it twice sees it once.
        message["Message-ID"] = f"<{id_}@{self._email.sender.partition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    def _deliver(self, message: EmailMessage) -> None:
        """Blocks."""
        with contextlib.closing(self._connected()) as server:
            if self._email.user is not None and self._email.password is not None:
                server.login(self._email.user, self._email.password.get_secret_value())
            refused = server.send_message(message)
            with contextlib.suppress(smtplib.SMTPException):
                server.quit()  # what was taken is taken, however it says goodbye
        if refused:
            raise smtplib.SMTPRecipientsRefused(refused)

    def _connected(self) -> smtplib.SMTP:
        host, port = self._email.address
        if self._email.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, port, timeout=_WAIT_S_MAX, context=context)
        server = smtplib.SMTP(host, port, timeout=_WAIT_S_MAX)
        if self._email.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server
