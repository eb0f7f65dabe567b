"""The operator's API: status, digests, quarantine, and what the commands ask of a running daemon.

Invariant: every route but those named PUBLIC needs the operator's token, also routes added later; the token is compared
by digest, in constant time.
"""

from hmac import compare_digest
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from hub import shown
from hub.enrolment import problem_of
from hub.fleet import AccessChange, Enrolment, Fleet, Named, RecoveryKey
from hub.live import LiveSession
from hub.opening import Hub
from hub.recording import TakenBackup
from hub.sessions import Sessions
from hub.store.interface import Refused
from protocol.digest import to_text
from protocol.errors import ProtocolError
from protocol.ids import Scope, scope_is_valid
from protocol.limits import LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX
from protocol.sealing import read_public_key
from runtime.bodies import read_json
from runtime.bounds import PROVEN
from runtime.keys import token_digest
from runtime.problems import Problem
from runtime.strangers import count_failure
from runtime.verifier import Verifier, outcome_json

PUBLIC: Final = frozenset({"/healthz", "/readyz", "/v1/enrol", "/v1/session"})


def operator_only(digest: bytes) -> Middleware:
    """Let requests through that carry the token of this digest, and those to public routes."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical in PUBLIC:
            return await handler(request)
        if not _proves(request.headers.get("Authorization", ""), digest):
            count_failure(request)
            headers = {"WWW-Authenticate": "Bearer"}
            raise Problem("unauthenticated", "The operator's token is needed.", headers=headers)
        request[PROVEN] = True
        return await handler(request)

    return check


def _proves(authorization: str, digest: bytes) -> bool:
    scheme, _, token = authorization.partition(" ")
    # Bytes that are no UTF-8 come as text that cannot be encoded again.
    is_token = scheme.lower() == "bearer" and token.isascii()
    return is_token and compare_digest(token_digest(token.strip()), digest)


class OperatorRoutes:
    """Everything behind the operator's token."""

    def __init__(self, hub: Hub, fleet: Fleet, sessions: Sessions, verifier: Verifier) -> None:
        self._hub = hub
        self._verifier = verifier
        self._fleet = fleet
        self._sessions = sessions

    async def status(self, _request: web.Request) -> web.Response:
        """The hub and its nodes."""
        store = self._hub.store
        history = await store.history()
        counts = await store.counts(self._hub.world.now_ms())
        nodes = [
            shown.node(record) | self._connection(self._hub.live.of_node(record.node))
            for record in await store.nodes()
        ]
        return web.json_response(
            {
                "epoch": history.epoch.hex(),
                "chain": history.chain.hex(),
                "hub_seq": history.head.hub_seq,
                "ledger": counts.ledger,
                "quarantined": counts.quarantined,
                "codes_open": counts.codes_open,
                "connected": len(self._hub.live),
                "backup": shown.backup(self._hub.stable.newest),
                "replacements": list(map(shown.replacement, await store.replacements())),
                **outcome_json(self._verifier.outcome, shown.instant),
                "nodes": nodes,
            }
        )

    async def digest(self, request: web.Request) -> web.Response:
        """The digest of one scope; zeros for one that nobody has written in."""
        scope = request.query.get("scope", "")
        if not scope_is_valid(scope):
            raise Problem("validation_failed", "scope must name a scope, like stock:S01.")
        found = await self._hub.store.digest(Scope(scope))
        return web.json_response(
            {
                "scope": scope,
                "hub_seq": found.hub_seq,
                "rows": found.digest.rows,
                "digest": to_text(found.digest.value),
            }
        )

    async def quarantine(self, request: web.Request) -> web.Response:
        """Operations without effect, oldest first; `next` is the cursor of the next page."""
        after = _number(request, "cursor", 0, most=2**62)
        limit = _number(request, "limit", LIST_LIMIT_DEFAULT, most=LIST_LIMIT_MAX)
        found = await self._hub.store.quarantine(after, max(limit, 1))
        following = str(found[-1].position) if len(found) == max(limit, 1) else None
        return web.json_response({"items": list(map(shown.quarantined, found)), "next": following})

    async def enrol(self, request: web.Request) -> web.Response:
        """Make an enrolment code."""
        wish = Enrolment.model_validate(read_json(await request.read()))
        try:
            return web.json_response({"code": await self._fleet.enrol(wish)}, status=201)
        except (Refused, ProtocolError) as error:
            raise problem_of(error) from error

    async def access(self, request: web.Request) -> web.Response:
        """Change a node's rights; its open session goes on under them at once."""
        change = AccessChange.model_validate(read_json(await request.read()))
        try:
            grant = await self._fleet.change_access(change)
        except (Refused, ProtocolError) as error:
            raise problem_of(error) from error
        self._sessions.regrant(grant)
        return web.json_response({"name": change.name})

    async def recovery_key(self, request: web.Request) -> web.Response:
        """Take the public half of a recovery key; open sessions go on under certificates that name it."""
        wish = RecoveryKey.model_validate(read_json(await request.read()))
        try:
            public = read_public_key(bytes.fromhex(wish.public), "the recovery key")
            grants = await self._fleet.take_recovery_key(public, replaces=wish.replaces)
        except (Refused, ProtocolError) as error:
            raise problem_of(error) from error
        for grant in grants:
            self._sessions.regrant(grant)
        return web.json_response({"public": wish.public})

    async def retire(self, request: web.Request) -> web.Response:
        """Have a node deliver what it recorded, and go."""
        named = Named.model_validate(read_json(await request.read()))
        try:
            grant = await self._fleet.retire(named.name)
        except (Refused, ProtocolError) as error:
            raise problem_of(error) from error
        self._sessions.retire(grant)
        return web.json_response({"name": named.name})

    async def revoke(self, request: web.Request) -> web.Response:
        """Let a node in no more; its open sessions end before the answer."""
        named = Named.model_validate(read_json(await request.read()))
        try:
            held = await self._hub.departures.revoke(named.name)
        except Refused as error:
            raise problem_of(error) from error
        return web.json_response({"name": named.name, "credentials": shown.credentials(held)})

    async def backup(self, request: web.Request) -> web.Response:
        """Count a backup that `everstock-hub backup` has restored and verified."""
        taken = TakenBackup.model_validate(read_json(await request.read()))
        try:
            await self._hub.stable.record(taken.verified())
        except Refused as error:
            raise problem_of(error) from error
        return web.json_response({"file": taken.file})

    def _connection(self, sessions: list[LiveSession]) -> dict[str, object]:
        if not sessions:
            return dict(shown.NOT_CONNECTED)
        newest = sessions[-1]
        found: dict[str, object] = {"connected": True, "lag": newest.behind}
        return found if newest.pending is None else found | {"pending": newest.pending}


def _number(request: web.Request, name: str, default: int, *, most: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > most:
        raise Problem("validation_failed", f"{name} must be a whole number of at most {most}.")
    return int(text)
