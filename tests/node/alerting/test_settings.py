"""Settings of alerts: taken from the file as an operator writes them, or refused before anything starts."""

from pathlib import Path

import pytest

from node.alerting.settings import Alerting, secret_bytes
from node.config import read_settings
from protocol.limits import ALERT_EXPIRING_DAYS, MAIL_RECIPIENTS_MAX, WEBHOOKS_MAX
from protocol.workflows.alerts import Condition
from runtime.settings import SettingsError
from tests.node.alerting.receivers import KEY, SECRET

EXAMPLE = Path(__file__).parents[3] / "deploy" / "node.example.toml"
HOOK = f'{{ name = "erp", url = "https://erp.example/", secret = "{SECRET}" }}'
MAIL = 'server = "mail.example:25", sender = "a@b.example", recipients = ["c@d.example"]'


def write(folder: Path, *lines: str) -> Path:
    """A settings file."""
    file = folder / "node.toml"
    file.write_text("\n".join(lines), "utf-8")
    return file


def test_the_example_with_its_comments_taken_off_is_read(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("# webhooks = ["))
    mail = next(line for line in lines if line.startswith("# email = "))
    shown = [line.removeprefix("# ") for line in (*lines[start : start + 3], mail)]
    text = "\n".join(shown).replace("whsec_...", SECRET)
    found = read_settings(write(tmp_path, text)).alerting()
    (webhook,) = found.webhooks
    assert webhook.conditions == (Condition.LOW,)
    assert secret_bytes(webhook.secret) == KEY
    assert found.email is not None
    assert found.email.address == ("mail.example", 587)


def test_a_webhook_is_told_of_every_condition_unless_it_says_which(tmp_path: Path) -> None:
    found = read_settings(write(tmp_path, f"webhooks = [{HOOK}]")).alerting()
    assert found.webhooks[0].conditions == tuple(Condition)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    mail = f'email = {{ {MAIL}, user = "u", password = "hidden" }}'
    found = read_settings(write(tmp_path, f"webhooks = [{HOOK}]", mail))
    assert SECRET not in repr(found)
    assert "hidden" not in repr(found)
    assert SECRET not in repr(found.alerting())


@pytest.mark.parametrize(
    "line",
    [
        f"webhooks = [{HOOK}, {HOOK}]",
        'webhooks = [{ name = "erp", url = "https://erp.example/" }]',
        'webhooks = [{ name = "erp", url = "https://erp.example/", secret = "whsec_c2hvcnQ=" }]',
        'webhooks = [{ name = "erp", url = "https://erp.example/", secret = "secret" }]',
        f'webhooks = [{{ name = "Erp Two", url = "https://erp.example/", secret = "{SECRET}" }}]',
        f'webhooks = [{{ name = "erp", url = "ftp://erp.example/", secret = "{SECRET}" }}]',
        f'webhooks = [{{ name = "erp", url = "https://u:p@erp.example/", secret = "{SECRET}" }}]',
        f'webhooks = [{{ name = "e", url = "https://e.example/", secret = "{SECRET}", conditions = ["lo"] }}]',
        'webhook_networks = ["10.0.0.1/8"]',
        'webhook_networks = ["everywhere"]',
        "alert_expiring_days = -1",
        'alert_locations = ["S\\u0001"]',
        f'email = {{ {MAIL}, user = "u" }}',
        'email = { server = "mail.example", sender = "a@b.example", recipients = ["c@d.example"] }',
        'email = { server = "mail.example:25", sender = "a@b.example", recipients = [] }',
        'email = { server = "mail.example:25", sender = "a\\nBcc: x@y", recipients = ["c@d.example"] }',
    ],
)
def test_what_cannot_be_used_is_refused_without_being_repeated(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(write(tmp_path, line))
    assert SECRET not in str(caught.value)


def test_lots_are_told_of_so_long_before_their_last_day_unless_the_operator_says_otherwise(
    tmp_path: Path,
) -> None:
    assert Alerting().expiring_days == ALERT_EXPIRING_DAYS
    found = read_settings(write(tmp_path, "alert_expiring_days = 7")).alerting()
    assert found.expiring_days == 7


def test_webhooks_and_recipients_are_bounded(tmp_path: Path) -> None:
    def with_webhooks(count: int) -> int:
        hooks = ",".join(HOOK.replace('"erp"', f'"erp{at}"') for at in range(count))
        return len(read_settings(write(tmp_path, f"webhooks = [{hooks}]")).alerting().webhooks)

    def with_recipients(count: int) -> int:
        people = ",".join(f'"{at}@d.example"' for at in range(count))
        mail = MAIL.replace('"c@d.example"', people)
        found = read_settings(write(tmp_path, f"email = {{ {mail} }}")).alerting()
        assert found.email is not None
        return len(found.email.recipients)

    for read, bound in ((with_webhooks, WEBHOOKS_MAX), (with_recipients, MAIL_RECIPIENTS_MAX)):
        assert read(bound) == bound
        with pytest.raises(SettingsError):
            read(bound + 1)
