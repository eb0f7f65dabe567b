"""S25: nothing that is written down for everybody to read is a secret that works."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from node.alerting.settings import secret_bytes

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
EXAMPLES = sorted(DEPLOY.glob("*.example.toml"))
_SECRET = re.compile(r"\b(?:secret|password|token|key)\s*=\s*\"(?P<value>[^\"]*)\"")


def test_s25_the_examples_hold_no_secret_that_works() -> None:
    values = {match["value"] for each in EXAMPLES for match in _SECRET.finditer(each.read_text())}
    assert values == {"...", "whsec_..."}
    with pytest.raises(ValueError, match="random bytes"):
        secret_bytes(SecretStr("whsec_..."))


def test_s25_no_key_or_token_is_part_of_the_product() -> None:
    root = DEPLOY.parent
    for package in ("protocol", "runtime", "node", "hub", "deploy"):
        for path in sorted((root / package).rglob("*")):
            if path.suffix in {".py", ".toml", ".md", ".sql", ".html", ".js", ".pem", ".key"}:
                assert "PRIVATE KEY" not in path.read_text(errors="replace"), path
                assert path.suffix not in {".pem", ".key"}, path
