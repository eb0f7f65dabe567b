"""The hub put together: the only file that knows every part.

Invariant: a request is served only while the store is open, and the sessions are told before it closes.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable

import structlog
from aiohttp import web
from nacl.signing import SigningKey
from prometheus_client import CollectorRegistry

from hub.auditing import AuditRoutes
from hub.checkpoints import CheckpointKeeper
from hub.config import HubSettings
from hub.datafolder import HubFolder
from hub.departures import Departures
from hub.enrolment import EnrolmentRoutes
from hub.feed import Feed
from hub.fleet import Fleet
from hub.live import LiveSessions
from hub.metrics import HubMetrics
from hub.opening import Hub
from hub.operators import OperatorRoutes, operator_only
from hub.questions import Questions
from hub.restore import begin_again_if_put_back
from hub.safekeeping import keep_safe
from hub.seen import SignsOfLife
from hub.sessions import Sessions
from hub.stable import Stable
from hub.store.interface import History, HubStore
from hub.store.sqlite.store import SqliteHubStore
from hub.witness import WitnessWriter, read_witness
from protocol.session.hub import HubIdentity
from runtime import selfcheck, service
from runtime.bounds import Bounds
from runtime.errors import StoreError
from runtime.metrics import REFRESH, metrics_handler, new_registry, observe_commits
from runtime.readiness import refuse_unless_ready
from runtime.verifier import Verifier
from runtime.version import VERSION
from runtime.vitals import show_vitals
from runtime.world import World

SESSIONS_END_S = 4.0
"""On the way out, the nodes get this long to hear when to come back."""

OTHER_CONNECTIONS_MAX = 500
"""Beside sessions and those who may become one: operators, enrolments, probes."""

_log = structlog.get_logger(__name__)


HUB = web.AppKey("HUB", Hub)


async def serve(folder: HubFolder, settings: HubSettings, world: World) -> int:
    """Serve until told to stop; the caller holds the folder's lock. Returns the exit code."""
    data = folder.folder.path
    advice = f"`everstock-hub verify --data {data}` lists every place, and `everstock-hub restore` puts a backup in its place"
    start = await asyncio.to_thread(selfcheck.begin, folder.folder, folder.database, advice)
    keeps_witness = await asyncio.to_thread(settings.witness_folder, folder.folder)
    why = await asyncio.to_thread(
        lambda: begin_again_if_put_back(folder.folder, read_witness(keeps_witness), world)
    )
    if why is not None:
        _log.warning("the database was put back: a new epoch begins, open codes are void", why=why)
    key = await asyncio.to_thread(folder.signing_key)
    token_digest = await asyncio.to_thread(folder.token_digest)
    registry = new_registry()
    store = await folder.open_store(observe=observe_commits(registry))
    verifier = Verifier(
        "hub", folder.folder, folder.database, every_h=settings.verify_every_h, world=world
    )
    selfcheck.tell(start)
    if start.to_verify:
        verifier.expedite()
    try:
        history = await store.history()
        app = make_app(store, history, key, token_digest, settings, world, registry, verifier)
        # Whoever runs it starts it again; as it is, it could take nothing any more.
        store.on_broken(app[service.STOP].set)
        keep_safe(app, app[HUB], folder, WitnessWriter(keeps_witness, store), settings)
        _log.info(
            "the hub starts",
            version=VERSION,
            folder=str(folder.folder.path.absolute()),
            chain=history.chain.hex(),
            epoch=history.epoch.hex(),
        )
        host, port = settings.address()
        await service.serve(
            app,
            host=host,
            port=port,
            folder=folder.folder,
            ssl_context=settings.server_tls(),
            on_ready=lambda url: _log.info("the hub serves", url=url),
        )
        if not store.is_writable:
            return service.EXIT_IO
        await asyncio.to_thread(selfcheck.end, folder.folder)
        return service.EXIT_OK
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(f"{settings.listen} is in use") from error
        raise
    finally:
        await store.close()


def make_hub(
    store: HubStore, history: History, key: SigningKey, world: World, metrics: HubMetrics
) -> Hub:
    """Put together what all sessions share; before the first it has to `remember`."""
    identity = HubIdentity(history.chain, key, history.recovery)
    feed, seen = Feed(store, history, metrics.page), SignsOfLife(store)
    live = LiveSessions()
    departures, stable = Departures(store, identity, live, world), Stable(store, world)
    questions = Questions(store, feed)
    checkpoints = CheckpointKeeper(store, identity, world, metrics)
    return Hub(
        store,
        feed,
        live,
        identity,
        world,
        metrics,
        seen,
        departures,
        stable,
        questions,
        checkpoints,
    )


async def remember(hub: Hub) -> None:
    """Read what is kept of nodes that left and of backups."""
    await hub.departures.load()
    await hub.stable.load()


def make_app(
    store: SqliteHubStore,
    history: History,
    key: SigningKey,
    token_digest: bytes,
    settings: HubSettings,
    world: World,
    registry: CollectorRegistry,
    verifier: Verifier,
) -> web.Application:
    """Put the parts together behind all guards; the caller opens and closes the store.

    The verifier runs while the application does.
    """
    metrics = HubMetrics(registry)
    hub = make_hub(store, history, key, world, metrics)
    app = service.new_app(
        lambda: settings.allowed_hosts,
        registry,
        middlewares=[operator_only(token_digest)],
        proxies=settings.proxies(),
        bounds=Bounds(
            connections_max=settings.sessions_max + settings.unproven_max + OTHER_CONNECTIONS_MAX
        ),
    )
    app[HUB] = hub
    show_vitals(app, "hub", store.path, verifier)
    _route(app, hub, settings, store, verifier)
    _watch(app, hub, metrics)
    app.cleanup_ctx.append(_verifying(verifier))
    return app


def _route(
    app: web.Application, hub: Hub, settings: HubSettings, store: SqliteHubStore, verifier: Verifier
) -> None:
    sessions = Sessions(hub, settings)
    fleet = Fleet(hub.store, hub.identity, hub.world)
    enrolment = EnrolmentRoutes(fleet, sessions, hub.identity, hub.world)
    operators = OperatorRoutes(hub, fleet, sessions, verifier)
    audit = AuditRoutes(hub.store, hub.world)

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        await refuse_unless_ready(
            app,
            store.path.parent,
            takes_writes=await store.takes_writes(),
            is_broken=not store.is_writable,
        )
        return web.json_response({"status": "ready"})

    async def say_goodbye(_app: web.Application) -> None:
        await sessions.end_all(SESSIONS_END_S)
        await hub.seen.close()

    app.on_startup.append(lambda _app: remember(hub))
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
            web.get("/v1/audit", audit.show),
            web.post("/v1/operator/status", operators.status),
            web.post("/v1/operator/enrol", operators.enrol),
            web.post("/v1/operator/access", operators.access),
            web.post("/v1/operator/recovery-key", operators.recovery_key),
            web.post("/v1/operator/retire", operators.retire),
            web.post("/v1/operator/revoke", operators.revoke),
            web.post("/v1/operator/backup", operators.backup),
        ]
    )


def _verifying(verifier: Verifier) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(verifier.run(), name="verifier")
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    return run


def _watch(app: web.Application, hub: Hub, metrics: HubMetrics) -> None:
    metrics.watch("sessions", "Open sessions", lambda: len(hub.live))
    metrics.watch("head", "Newest hub_seq", lambda: hub.feed.head.hub_seq)
    metrics.watch("scopes", "Scopes with a row or a writer", lambda: len(hub.feed.scopes))
    metrics.watch("pages_read", "Pages read and encoded", lambda: hub.feed.pages_read)

    async def show(_request: web.Request) -> None:
        sessions = list(hub.live)
        nodes = len({session.node for session in sessions})
        metrics.show_sessions(nodes, [session.behind for session in sessions])
        metrics.show_recovery(hub.stable.age_s, len(hub.departures.records))
        now_ms = hub.world.now_ms()
        try:
            counts = await hub.store.counts(now_ms)
        except StoreError:
            counts = None
        metrics.show_counts(counts, now_ms)

    app[REFRESH].add(show)
