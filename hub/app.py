"""The hub put together: the only file that knows every part.

Invariant: a request is served only while the store is open, and the sessions are told before it closes.
"""

import asyncio
import errno

import structlog
from aiohttp import web
from nacl.signing import SigningKey
from prometheus_client import CollectorRegistry

from hub.config import HubSettings
from hub.datafolder import HubFolder
from hub.enrolment import EnrolmentRoutes
from hub.feed import Feed
from hub.fleet import Fleet
from hub.live import LiveSessions
from hub.metrics import HubMetrics
from hub.opening import Hub
from hub.operators import OperatorRoutes, operator_only
from hub.sessions import Sessions
from hub.store.interface import History
from hub.store.sqlite.store import SqliteHubStore
from protocol.session.hub import HubIdentity
from runtime import service
from runtime.metrics import metrics_handler, new_registry, observe_commits
from runtime.problems import Problem
from runtime.world import World

SESSIONS_END_S = 4.0
"""On the way out, the nodes get this long to hear when to come back."""

_log = structlog.get_logger(__name__)


HUB = web.AppKey("HUB", Hub)


async def serve(folder: HubFolder, settings: HubSettings, world: World) -> int:
    """Serve until told to stop; the caller holds the folder's lock. Returns the exit code."""
    key = await asyncio.to_thread(folder.signing_key)
    token_digest = await asyncio.to_thread(folder.token_digest)
    registry = new_registry()
    store = await folder.open_store(observe=observe_commits(registry))
    try:
        app = make_app(store, await store.history(), key, token_digest, settings, world, registry)
        host, port = settings.address()
        await service.serve(
            app,
            host=host,
            port=port,
            folder=folder.folder,
            ssl_context=settings.server_tls(),
            on_ready=lambda url: _log.info("the hub serves", url=url),
        )
        return service.EXIT_OK if store.is_writable else service.EXIT_IO
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(f"{settings.listen} is in use") from error
        raise
    finally:
        await store.close()


def make_app(
    store: SqliteHubStore,
    history: History,
    key: SigningKey,
    token_digest: bytes,
    settings: HubSettings,
    world: World,
    registry: CollectorRegistry,
) -> web.Application:
    """Put the parts together behind all guards; the caller opens and closes the store."""
    identity = HubIdentity(history.chain, key)
    metrics = HubMetrics(registry)
    hub = Hub(store, Feed(store, history), LiveSessions(), identity, world, metrics)
    app = service.new_app(
        lambda: settings.allowed_hosts, registry, middlewares=[operator_only(token_digest)]
    )
    app[HUB] = hub
    _route(app, hub, settings, store)
    _watch(hub, metrics)
    return app


def _route(app: web.Application, hub: Hub, settings: HubSettings, store: SqliteHubStore) -> None:
    sessions = Sessions(hub, settings)
    fleet = Fleet(hub.store, hub.identity, hub.world)
    enrolment = EnrolmentRoutes(fleet, sessions, hub.identity, hub.world)
    operators = OperatorRoutes(hub, fleet, sessions)

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        if not await store.takes_writes():
            raise Problem(
                "unavailable", "The store takes nothing: the disk is full, or it has failed."
            )
        return web.json_response({"status": "ready"})

    async def say_goodbye(_app: web.Application) -> None:
        await sessions.end_all(SESSIONS_END_S)

    app.on_shutdown.append(say_goodbye)
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics_handler),
            web.get("/v1/session", sessions.handle),
            web.get("/v1/enrol", enrolment.hello),
            web.post("/v1/enrol", enrolment.enrol),
            web.get("/v1/status", operators.status),
            web.get("/v1/digest", operators.digest),
            web.get("/v1/quarantine", operators.quarantine),
            web.post("/v1/operator/status", operators.status),
            web.post("/v1/operator/enrol", operators.enrol),
            web.post("/v1/operator/access", operators.access),
        ]
    )


def _watch(hub: Hub, metrics: HubMetrics) -> None:
    metrics.watch("sessions", "Open sessions", lambda: len(hub.live))
    metrics.watch("head", "Newest hub_seq", lambda: hub.feed.head.hub_seq)
    metrics.watch("scopes", "Scopes with a row or a writer", lambda: len(hub.feed.scopes))
    metrics.watch("pages_read", "Pages read and encoded", lambda: hub.feed.pages_read)
