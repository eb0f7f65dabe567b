"""How a command reaches the daemon that has its data folder.

Rule: the token goes only to the address that the holder of the folder's lock wrote into the folder,
which is private to this user.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from runtime.folder import Folder

ANSWER_BYTES_MAX = 16 * 1024 * 1024
TIMEOUT_S = 60.0


class DaemonRefused(Exception):
    """The daemon answered with a problem, or did not answer; the message is its sentence."""

    def __init__(self, problem: Mapping[str, object]) -> None:
        """Keep the members of the problem: code, detail, status."""
        super().__init__(str(problem.get("detail", "The daemon refused.")))
        self.problem = problem
        self.code = str(problem.get("code", "internal"))


def call_daemon(
    folder: Folder,
    path: str,
    body: Mapping[str, object],
    *,
    token_file: str = "operator.token",  # noqa: S107 - a file's name
    timeout_s: float = TIMEOUT_S,
) -> Mapping[str, object] | None:
    """POST `body` to the running daemon; its answer, or None when no daemon runs; blocks.

    Raises: DaemonRefused.
    """
    url = folder.daemon_url()
    if url is None:
        return None
    try:
        token = folder.read(token_file).decode("ascii").strip()
    except FileNotFoundError as error:
        raise _refusal("unauthenticated", f"{folder.path / token_file} is missing.") from error
    except UnicodeDecodeError as error:
        raise _refusal("unauthenticated", f"{folder.path / token_file} holds no token.") from error
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = _connect(url, timeout_s)
    try:
        connection.request("POST", path, json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        status, content = answer.status, answer.read(ANSWER_BYTES_MAX + 1)
    except ConnectionRefusedError:
        return None  # it has just ended
    except (OSError, http.client.HTTPException) as error:
        raise _refusal("unavailable", f"The daemon at {url} does not answer.") from error
    finally:
        connection.close()
    return _parse(status, content)


def _connect(url: str, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None, "daemon.json holds a whole address"
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    # The address is this machine's own, from a file that only this user can write, and packets to
    # it never leave the machine. Its certificate is for the name that others call it by.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(
        parts.hostname, parts.port, timeout=timeout_s, context=context
    )


def _parse(status: int, content: bytes) -> Mapping[str, object]:
    try:
        answer = json.loads(content or b"{}")
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or len(content) > ANSWER_BYTES_MAX:
        raise _refusal("internal", f"The daemon answered {status} with something unreadable.")
    if status >= http.HTTPStatus.BAD_REQUEST:
        raise DaemonRefused(answer)
    return answer


def _refusal(code: str, detail: str) -> DaemonRefused:
    return DaemonRefused({"code": code, "detail": detail})
