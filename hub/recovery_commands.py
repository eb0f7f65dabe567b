"""The commands for bad days: `backup`, `restore`, `retire`, `revoke`, `replaced`, `status`.

Rule: each says what it did and what happens next; what cannot be taken back is said before it is needed.
"""

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from hub import backup as backups
from hub import offline, shown
from hub import restore as restoring
from hub.command_line import AsJson, Data, alone, put, say, through_daemon
from hub.datafolder import HubFolder
from hub.departures import Departures
from hub.fleet import Fleet, Named
from hub.live import LiveSessions
from hub.recording import TakenBackup
from hub.store.interface import HubStore, Refused
from hub.store.records import HeldCredential, VerifiedBackup
from hub.witness import read_witness, write_witness
from protocol.errors import Code
from protocol.session.hub import HubIdentity
from runtime.control import DaemonRefused, call_daemon
from runtime.errors import StoreError
from runtime.folder import FolderError
from runtime.logs import configure_logging
from runtime.world import World

NAMES_MAX: Final = 20
"""Of nodes, in one sentence."""
_MS: Final = 1000
_AHEAD: Final = "in the future, so one clock was wrong"
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

Name = Annotated[str, typer.Argument(metavar="NAME", help="The node.", show_default=False)]


def add_to(cli: typer.Typer) -> None:
    """Make these commands of `everstock-hub`."""
    for command, example in (
        (backup, "backup --data hub hub-2030-01-31.db"),
        (restore, "restore hub-2030-01-31.db --data hub"),
        (retire, "retire --data hub S01"),
        (revoke, "revoke --data hub S01"),
        (replaced, "replaced --data hub S01"),
        (status, "status --data hub"),
    ):
        cli.command(epilog=f"Example: everstock-hub {example}")(command)


def backup(
    data: Data,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; it must not exist.")],
) -> None:
    """Copy the hub to FILE, restore the copy and verify it.

    A running daemon may go on meanwhile. FILE holds the hub's key: keep it where nobody else can read it.
    """
    # The copies hold the key: what stops a service and all it has started shall leave none of them behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hub_folder = HubFolder(data)
    taken = backups.take(hub_folder, file, World(), show_progress=sys.stderr.isatty())
    try:
        _record(data, taken)
    except (DaemonRefused, Refused, FolderError, StoreError):
        say(f"{file} is whole and verified, but the hub could not note it, so it does not count.")
        raise
    say(
        f"{file} is whole: it was restored and verified, {taken.operations} operations. "
        "It holds the hub's key: whoever can read it can act as the hub."
    )


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` made.")],
    data: Data,
    move_aside: Annotated[  # noqa: FBT002 - a flag is named on the command line
        bool,
        typer.Option("--move-aside", help="Keep the database that is there under another name."),
    ] = False,
) -> None:
    """Make the hub of a backup in DIR, a new or an empty folder.

    Says how much less it holds than the hub that was there, and what of it comes back by itself.
    """
    world = World()
    done = restoring.restore(file, data, world, move_aside=move_aside, show=sys.stderr.isatty())
    age_s = (world.now_ms() - done.taken_at_ms) // _MS
    ago = f"{_span(age_s)} ago" if age_s >= 0 else _AHEAD
    say(
        f"{data} holds the hub as of {shown.instant(done.taken_at_ms)}, {ago}: "
        f"{done.operations} operations, {done.nodes} nodes."
    )
    if done.moved_aside is not None:
        say(f"What was there before is {done.moved_aside}.")
    for sentence in _missing(done):
        say(sentence)
    if done.has_new_token:
        say(f"The operator has a new token, in {data}/operator.token.")
    say(
        f"A new epoch begins; {done.codes_void} open enrolment codes are void.\n"
        f"Next: `everstock-hub serve --data {data}` at the address that the nodes know. They come "
        "back by themselves, also those enrolled since, and send again what is missing here.\n"
        "A node that was revoked since is kept out as soon as any node that heard of it is back. "
        f"To keep it out from the first moment, run `everstock-hub revoke --data {data} NAME` now, or "
        "with its id from `nodes --json` if this backup has not heard of it."
    )


def retire(name: Name, data: Data) -> None:
    """Take a node out of service in good order.

    What it recorded until now still comes in and counts; it writes nothing more, and is let in no more after that.
    """
    named = Named(name=name)
    if through_daemon(data, "/v1/operator/retire", named) is None:
        alone(data, lambda store, hub: Fleet(store, hub, World()).retire(name))
    say(
        f"{name} writes nothing any more. It is let go once everything it recorded is here; "
        "until then `nodes` shows it as retiring."
    )


def revoke(name: Name, data: Data, as_json: AsJson = False) -> None:  # noqa: FBT002 - as above
    """Keep a stolen node out, and void the passwords it held.

    NAME may be its id, as `nodes --json` says. What it has not delivered yet is not taken. This is not taken back: enrol the machine anew if it is found.
    Prints whose password, PIN or badge it held, where: they open nothing any more until they are set. Asked again, those that were not set yet.
    """
    answer = through_daemon(data, "/v1/operator/revoke", Named(name=name))
    if answer is None:
        configure_logging("error")  # what a daemon would log, this command says in its own words
        departed, held = alone(data, lambda store, hub: _revoke(store, hub, name))
        _witness(data, departed)
        answer = {"name": name, "credentials": shown.credentials(held)}
    found = cast("list[Mapping[str, Any]]", answer["credentials"])
    if as_json:
        put(json.dumps(dict(answer)))
    for one in () if as_json else found:
        who = one["username"] or one["user"]
        put(f"{one['location']}\t{who}\t{', '.join(one['proves'])}")
    forced = (
        f"Passwords, PINs and badges that it held: {len(found)}, listed by person and location. They open nothing any more until they "
        "are set anew, with `everstock-node user reset`. `everstock-hub audit --notes --action note.reset_forced` keeps the list. "
        if found
        else "Nothing that it is known to have held of passwords is still to be set anew. "
    )
    say(
        f"{name} is let in no more, and every node hears of it. {forced}"
        "`everstock-hub audit --node` lists what it did."
    )


def replaced(name: Name, data: Data, as_json: AsJson = False) -> None:  # noqa: FBT002 - as above
    """Say which receipts of a replaced node may be missing."""
    found = [each for each in _replacements(data) if each["replaced"] == name]
    if not found:
        raise Refused(Code.NOT_FOUND, f"no node took over from one called {name}")
    for each in found:
        put(json.dumps(each) if as_json else _in_words(each))


def status(data: Data, as_json: AsJson = False) -> None:  # noqa: FBT002 - as above
    """Say how much the hub holds, and how safe it is."""
    answer = call_daemon(HubFolder(data).folder, "/v1/operator/status", {})
    found = dict(answer) if answer is not None else offline.status(HubFolder(data).database)
    if as_json:
        put(json.dumps(found))
        return
    for line in _lines(found, is_running=answer is not None):
        put(line)


def _record(data: Path, taken: VerifiedBackup) -> None:
    if through_daemon(data, "/v1/operator/backup", TakenBackup.of(taken)) is None:
        alone(data, lambda store, _hub: store.record_backup(taken))


async def _revoke(
    store: HubStore, hub: HubIdentity, name: str
) -> tuple[tuple[bytes, ...], list[HeldCredential]]:
    departures = Departures(store, hub, LiveSessions(), World())
    await departures.load()
    held = await departures.revoke(name)
    return tuple(departures.records), held


def _witness(data: Path, records: tuple[bytes, ...]) -> None:
    """Also beside the database: it may be an older one that is found there next.

    What the witness says of the head stays: the database that is there now may be the older one already.
    """
    folder = HubFolder(data).folder
    witness = read_witness(folder)
    if witness.head is not None:
        write_witness(folder, witness.with_departures(records))


def _replacements(data: Path) -> list[Mapping[str, object]]:
    found = offline.replacements(HubFolder(data).database)
    return [shown.replacement(each) for each in found]


def _in_words(found: Mapping[str, object]) -> str:
    since = found["missing_since"]
    words = (
        f"{found['name']} took over from {found['replaced']} at {found['joined_at']}. "
        f"{found['acked']} operations of {found['replaced']} are here"
    )
    if since is None:
        return f"{words}: none of its receipts came, so all of them may be missing."
    pending = found["pending"]
    said = "it never said how many waited" if pending is None else f"{pending} waited"
    return (
        f"{words}; when it was last heard of, at {found['last_seen_at'] or '-'}, {said}. "
        f"Receipts after {since} may be missing."
    )


def _missing(done: restoring.Restored) -> Iterator[str]:
    lacks = done.lacks
    if lacks.operations:
        yield (
            f"It holds {lacks.operations} operations that this backup lacks. Every node that works sends "
            "its own again."
        )
    if lacks.row_changes:
        yield (
            f"By its witness, the hub that was there had come {lacks.row_changes} row changes further than "
            "this backup. Every node that works sends its own part again; what nodes that have left delivered "
            "since is lost, so restore the newest backup there is."
        )
    if lacks.departed:
        names = ", ".join(lacks.departed[:NAMES_MAX]) + (
            ", ..." * (len(lacks.departed) > NAMES_MAX)
        )
        yield (
            f"Count on nobody to send again what came since from nodes that have left ({names}): they are "
            f"refused as soon as any node tells that they left. For sure it is only in {done.moved_aside}."
        )
    if lacks.later is not None:
        yield f"A later verified backup holds more: {lacks.later}, if it is still there. Restore it before you serve."


def _lines(found: Mapping[str, object], *, is_running: bool) -> list[str]:
    backup = found.get("backup")  # a daemon of the first version says nothing of these two
    lines = [
        f"the daemon {'runs' if is_running else 'does not run'}",
        f"operations: {found['ledger']}, without effect: {found['quarantined']}",
        f"epoch: {found['epoch']}, head: {found['hub_seq']}",
        f"nodes connected: {found['connected']}",
    ]
    if isinstance(backup, Mapping):
        age_s = _age_s(str(backup["taken_at"]))
        age = f"{_span(age_s)} old" if age_s >= 0 else f"of unknown age: taken {_AHEAD}"
        lines.append(f"verified backup: {backup['file']}, {age}")
    else:
        lines.append("verified backup: none, so nodes keep everything for 400 days")
    replacements = found.get("replacements")
    if isinstance(replacements, list):
        lines += [_in_words(each) for each in replacements]
    return lines


def _age_s(instant: str) -> int:
    taken = datetime.fromisoformat(instant)
    return int((datetime.now(UTC) - taken) // timedelta(seconds=1))


def _span(seconds: int) -> str:
    """A length of time in its two largest units."""
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
