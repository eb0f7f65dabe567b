"""Our commands as real processes: run to their end, or kept serving a folder.

Invariant: a daemon started here has ended when the `with` block has, and ended as it was told to.
"""

import contextlib
import io
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from node.__main__ import main

CHECKOUT = Path(__file__).resolve().parents[2]
TLS = Path(__file__).with_name(
    "tls"
)  # a certificate for localhost and 127.0.0.1, its own authority
OUR_CA = ssl.create_default_context(cafile=TLS / "localhost.pem")
SALE = {"kind": "sale", "location": "S01", "lines": [{"sku": "A1", "delta": -1}]}


def run(*arguments: str, module: str = "node") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", module, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The same in this process, for what ends before there is a daemon: starting one takes longer than the test."""
    words, answer = io.StringIO(), io.StringIO()
    code: object = 0
    with contextlib.redirect_stderr(words), contextlib.redirect_stdout(answer):
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, answer.getvalue(), words.getvalue())


def out(*arguments: str, module: str = "node") -> str:
    """What a command that succeeds printed, without the last newline."""
    done = run(*arguments, module=module)
    assert done.returncode == 0, done
    return done.stdout.removesuffix("\n")


@dataclass(frozen=True, slots=True)
class Served:
    """A daemon of a folder."""

    child: subprocess.Popen[str]
    url: str

    def ask(
        self, method: str, path: str, token: str, body: object = None, **headers: str
    ) -> tuple[int, Any, Message]:
        """One request: status, JSON and headers of the answer."""
        given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            self.url + path, data=content, headers={**given, **named}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=10, context=OUR_CA) as answer:
                return answer.status, json.loads(answer.read()), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read()), error.headers

    def sell(self, token: str, key: str) -> tuple[int, Any, Message]:
        """Sell one A1."""
        return self.ask("POST", "/v1/movements", token, SALE, Idempotency_Key=key)


@contextlib.contextmanager
def serving(
    folder: Path, *options: str, module: str = "node", end: int = signal.SIGTERM
) -> Iterator[Served]:
    """Run a daemon on a folder; it must end as it is told to."""
    command = [sys.executable, "-W", "error", "-m", module, "serve", "--data", str(folder)]
    log = folder.parent / f"{folder.name}.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", *options],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as child,
    ):
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            assert line.startswith("listening on http"), (line, log.read_text())
            yield Served(child, line.removeprefix("listening on ").strip())
        finally:
            child.send_signal(end)
            code = child.wait(20)
    assert code == (0 if end == signal.SIGTERM else -end), log.read_text()
