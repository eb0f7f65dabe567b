"""What the document says is what the node does: schemathesis makes requests of it and holds the answers against it.

It runs as the command it is, against a daemon: its own warnings are none of ours, and no other test waits for its import.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from protocol.certificate import Role
from tests.node.alerting.shop import read_from_hub
from tests.node.enrolled import enrolled_folder
from tests.node.processes import CHECKOUT, Served, serving

EXAMPLES = 2  # per address and phase, beside a hundred that coverage works out from the schemas
# They never end, so schemathesis would wait for each of their answers; test_streams asks them.
ENDLESS = "^/v1/(events|live)$"
# It would listen at whatever address was made up; test_door asks it.
LISTENS = "^/v1/operator/lan/on$"
# All collections are served by the same lines: one of each form of address, and what contradicts itself.
ALIKE = (
    r"^/v1/(locations|suppliers|attributes|levels|transfers)(/|$)|^/v1/alerts(/batch|/\{id\})?$"
    r"|^/v1/stocktakes(/batch|/\{id\}(/(submit|cancel|verify))?)?$"
)
ORDER = {"kind": "customer", "location": "S01", "lines": [{"sku": "A1", "quantity": 5}]}


def _raised(node: Served, token: str) -> str:
    """The id of an alert: of what was sold here and never came."""
    for _ in range(600):
        _, listed, _ = node.ask("GET", "/v1/alerts/raised", token)
        if listed["items"]:
            return str(listed["items"][0]["id"])
        time.sleep(0.05)
    raise AssertionError("nothing was raised")


@pytest.mark.timeout(600)  # a minute of work, for two processes
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    # An office's node that keeps a shop too may do everything there is.
    shop = enrolled_folder(tmp_path / "S01", role=Role.OFFICE)
    read_from_hub(shop.database, "catalogue", "stock:S01")
    with serving(shop.folder.path) as node:
        assert node.sell(shop.operator_token, "first")[0] == 201
        for path, body in (
            (
                "/v1/skus",
                {
                    "id": "A1",
                    "name": "Apple",
                    "packs": {"bag": {"multiple": 6}},
                    "barcodes": {"96385074": {}},
                },
            ),
            ("/v1/lots", {"sku": "A1", "code": "L1"}),
            ("/v1/orders", ORDER),
        ):
            made = node.ask("POST", path, shop.operator_token, body, Idempotency_Key="first")
            assert made[0] == 201
        place = {"location": "S01"}
        token = shop.operator_token
        sheet = node.ask("POST", "/v1/stocktakes", token, place, Idempotency_Key="first")
        assert sheet[0] == 201
        done = subprocess.run(
            [
                *(
                    sys.executable,
                    "-c",
                    "from schemathesis.cli import schemathesis; schemathesis()",
                ),
                *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
                *("run", f"{node.url}/openapi.json"),
                *("--exclude-path-regex", f"{ENDLESS}|{LISTENS}|{ALIKE}"),
                *("--max-examples", str(EXAMPLES)),
                *("--seed", "1", "--generation-database", "none", "--workers", "1"),
            ],
            cwd=tmp_path,  # it keeps notes beside where it runs
            env={
                **os.environ,
                "NO_COLOR": "1",
                "PYTHONPATH": str(CHECKOUT),
                "SCHEMATHESIS_HOOKS": "tests.node.api.schemathesis_hooks",
                "TOKEN": shop.operator_token,
                "ORDER": made[1]["id"],
                "STOCKTAKE": sheet[1]["id"],
                "ALERT": _raised(node, shop.operator_token),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=580,
        )
    print(done.stdout)
    assert done.returncode == 0
    assert "No issues found" in done.stdout
