"""The sample daemon in a process of its own."""

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from runtime.folder import Folder

ROOT = Path(__file__).parents[2]


class Daemon:
    """The sample daemon in a process of its own."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.folder = Folder(folder)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.runtime.sample_daemon", str(folder), host],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        self.url = self.first_line.removeprefix("listening on ").strip()

    def get(self, path: str) -> tuple[int, object]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        output, words = self.process.communicate(timeout=30)
        return self.process.returncode, output, words
