"""S59: no secret is compared by `==`, which ends at the first byte that differs and so tells how far a guess was right.

The names of things say what is secret here; digests of random tokens are looked up, which `runtime.keys` explains.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy import PRODUCT

ROOT = Path(__file__).resolve().parents[2]
SECRET = re.compile(
    r"(?:^|_)(?:token|secret|password|passphrase|pin|proof|mac|hmac|signature|verifier|signing_key|private_key|csrf|cookie)s?$"
)


NO_SECRETS = {
    # The time at which what proves somebody was last changed.
    "node/people/signing_in.py: self._roster.changed_at.get(key) == session.proof",
}


def name_of(node: ast.expr) -> str:
    """What an operand is called."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lower()
        case ast.Call(func=inner) | ast.Subscript(value=inner) | ast.Await(value=inner):
            return name_of(inner)
        case _:
            return ""


def compared_secrets(source: str) -> Iterator[str]:
    """Every comparison of a secret with something that is no constant."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        if not any(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops):
            continue
        operands = (node.left, *node.comparators)
        if any(isinstance(one, ast.Constant) for one in operands):
            continue
        if any(SECRET.search(name_of(one)) for one in operands):
            yield ast.unparse(node)


@pytest.mark.parametrize("package", PRODUCT)
def test_s59_no_secret_is_compared_in_a_time_that_tells_of_it(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = [
        f"{file.relative_to(ROOT)}: {words}"
        for file in files
        for words in compared_secrets(file.read_text())
    ]
    assert sorted({*found} - NO_SECRETS) == []


@pytest.mark.parametrize(
    "source",
    [
        "given == password",
        "self._token != request.token",
        "body.pin == row['pin']",
        "hmac(x) == mac",
        "load_signing_key(f) != key",
        "proof(a, b) == claimed",
    ],
)
def test_s59_a_comparison_of_secrets_is_found(source: str) -> None:
    assert list(compared_secrets(source))


@pytest.mark.parametrize(
    "source",
    [
        "compare_digest(a, password)",
        "token == ''",
        "token is None",
        "name == other",
        "tokens_of(x) > 1",
    ],
)
def test_s59_what_is_none_is_left_alone(source: str) -> None:
    assert not list(compared_secrets(source))
