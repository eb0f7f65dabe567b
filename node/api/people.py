"""`/v1/login`, `/v1/me`, `/v1/users`, `/v1/shifts`: people, here.

Rule: nothing waits for the hub. These take no Idempotency-Key: each says what is to be, so that to ask again changes nothing,
a name is given once, and an answer with a secret in it is not kept to be repeated.
"""

from typing import Annotated, Final

from aiohttp import web

from node.api.answers import answer
from node.api.authentication import credential
from node.api.models import Nothing
from node.api.people_models import (
    Administration,
    AtBody,
    BadgeMade,
    BegunShown,
    Ended,
    GrantBody,
    LoginBody,
    MeShown,
    OperatorUserBody,
    PasswordBody,
    PasswordMade,
    Pending,
    ResetBody,
    RolesShown,
    ShiftBody,
    SignUpBody,
    UserAddress,
    UserBody,
    UserChanges,
    UserMade,
    UserPage,
    UsersAsked,
    UserShown,
    WitnessBody,
)
from node.api.typed import Answers, Operator, Route
from node.commands.requests import Authority, Caller, Refusal
from node.commands.rights import actor_of
from node.node import Node
from node.people.accounts import NewUser
from node.people.administering import Administered, administer
from node.people.showing import begun_json, me_json, roles_json, user_json
from node.replica.cursors import read_texts, write_cursor
from protocol.access.people import Places, places_of, reach_of
from protocol.access.table import Reach, action
from runtime.doors import is_from_elsewhere
from runtime.strangers import count_try, forgive_try

Begun = Annotated[web.Response, Answers(BegunShown, status=201)]
Made = Annotated[web.Response, Answers(UserMade, status=201)]
User = Annotated[web.Response, Answers(UserShown)]
_READ: Final = action("users.read")
_CONTACT: Final = action("contact.read")


async def sign_up(
    request: web.Request, node: Node, body: SignUpBody
) -> Annotated[web.Response, Answers(Pending, status=202)]:
    """Ask for an account. It has no rights until somebody grants them.

    The answer is the same whether or not the name was free; whoever grants sees what there is.
    """
    count_try(request)
    location = body.location or _only_location(node)
    new = NewUser(body.username, body.display_name, body.email, location, None)
    await node.people.sign_up(new, body.password)
    return answer({"status": "pending"}, status=202)


async def log_in(request: web.Request, node: Node, body: LoginBody) -> Begun:
    """Sign in: the session's token, for `Authorization: Bearer`.

    Whatever is wrong has the same answer. A name that was tried in vain too often is locked for a while, whether or not
    there is anybody of it.
    """
    count_try(request)
    begun = await node.people.sign_ins.sign_in(
        body.username, body.password, body.location, for_lan=is_from_elsewhere(request)
    )
    forgive_try(request)
    return answer(begun_json(begun), status=201)


async def log_out(
    request: web.Request, node: Node, caller: Caller, _body: Nothing
) -> Annotated[web.Response, Answers(Ended)]:
    """End this session, and the streams that it has opened."""
    if caller.authority is not Authority.PERSON:
        raise Refusal("forbidden", "only a session ends so")
    await node.people.sign_ins.sign_out(credential(request))
    return answer({"status": "ended"})


async def show_me(node: Node, caller: Caller) -> Annotated[web.Response, Answers(MeShown)]:
    """Show who asks."""
    return answer(me_json(caller))


async def change_password(
    request: web.Request, node: Node, caller: Caller, body: PasswordBody
) -> Begun:
    """Set one's own password. All one's sessions end; the answer is a new one."""
    if caller.authority is not Authority.PERSON:
        raise Refusal("forbidden", "only a person has a password")
    begun = await node.people.change_password(
        credential(request), body.old, body.new, for_lan=is_from_elsewhere(request)
    )
    return answer(begun_json(begun), status=201)


async def show_list(
    node: Node, caller: Caller, asked: UsersAsked
) -> Annotated[web.Response, Answers(UserPage)]:
    """List people by name: the directory, and where the caller may read it what each is."""
    after = ("", "") if asked.cursor is None else tuple(read_texts(asked.cursor, 2))
    found = sorted(
        (one.username, one.id)
        for one in node.people.roster.users.values()
        if not one.archived
        and (
            asked.location is None
            or asked.location in {one.location, *node.people.roster.posts_of(one.id)}
        )
    )
    rest = [key for key in found if key > after]
    page = rest[: asked.limit]
    following = write_cursor(list(page[-1])) if len(rest) > len(page) else None
    items = [_shown(node, caller, id_) for _, id_ in page]
    return answer({"items": items, "next": following})


async def show(node: Node, caller: Caller, address: UserAddress) -> User:
    """Show somebody, also an archived one."""
    return answer(_shown(node, caller, node.people.subject(address.id).id))


async def create(node: Node, caller: Caller, body: UserBody) -> Made:
    """Create somebody, with a role below one's own at one's own location; also while the hub is away."""
    new = NewUser(body.username, body.display_name, body.email, body.location, body.role)
    id_, made = await node.people.create(caller, new, body.password)
    shown = {**_shown(node, caller, id_), "password": made}
    return answer(shown, status=201, headers={"Location": f"/v1/users/{id_}"})


async def change(node: Node, caller: Caller, address: UserAddress, body: UserChanges) -> User:
    """Change what somebody is called, or where mail reaches them at the shop that they belong to."""
    wanted = {name: getattr(body, name) for name in body.model_fields_set}
    user = node.people.subject(address.id).id
    await node.people.describe(caller, user, node.people.home_of(user), wanted)
    return answer(_shown(node, caller, user))


async def archive(node: Node, caller: Caller, address: UserAddress) -> User:
    """Take somebody out of use: they sign in nowhere any more, and what they did keeps their name."""
    user = node.people.subject(address.id).id
    await node.people.archive(caller, user)
    return answer(_shown(node, caller, user))


async def grant(node: Node, caller: Caller, address: UserAddress, body: GrantBody) -> User:
    """Make somebody something at a location, or nothing. Nobody grants what is not below them, nor to themselves."""
    await node.people.grant(caller, address.id, body.location, body.role)
    return answer(_shown(node, caller, address.id))


async def disable(node: Node, caller: Caller, address: UserAddress, body: AtBody) -> User:
    """Let somebody not sign in at a location any more: their sessions and streams end at once."""
    await node.people.set_disabled(caller, address.id, body.location, disabled=True)
    return answer(_shown(node, caller, address.id))


async def enable(node: Node, caller: Caller, address: UserAddress, body: AtBody) -> User:
    """Let somebody sign in at a location again."""
    await node.people.set_disabled(caller, address.id, body.location, disabled=False)
    return answer(_shown(node, caller, address.id))


async def reset(
    node: Node, caller: Caller, address: UserAddress, body: ResetBody
) -> Annotated[web.Response, Answers(PasswordMade)]:
    """Set what somebody signs in by at a location. Their sessions end, and their name is unlocked here."""
    made = await node.people.reset(caller, address.id, body.location, body.password, body.pin)
    return answer({"password": made})


async def give_badge(
    node: Node, caller: Caller, address: UserAddress, body: AtBody
) -> Annotated[web.Response, Answers(BadgeMade, status=201)]:
    """Make somebody a badge, by which they sign on at tills; one that they had is none any more."""
    made = await node.people.give_badge(caller, address.id, body.location)
    return answer({"badge": made}, status=201)


async def show_roles(node: Node, caller: Caller) -> Annotated[web.Response, Answers(RolesShown)]:
    """Show every role and what it may do."""
    return answer({"items": roles_json()})


async def begin_shift(node: Node, caller: Caller, body: ShiftBody) -> Begun:
    """Sign on at this till: its requests carry the token in `Everstock-Shift` from then on.

    What they record has the person as its `actor` and the till as its `device`. Whoever was signed on before is signed off.
    """
    if caller.authority is not Authority.TILL:
        raise Refusal("forbidden", "a shift is at a till, by its token")
    sign_ins = node.people.sign_ins
    match body:
        case ShiftBody(username=str(name), pin=str(pin), badge=None):
            begun = await sign_ins.sign_on(caller, name, pin)
        case ShiftBody(username=None, pin=None, badge=str(badge)):
            begun = await sign_ins.sign_on_by_badge(caller, badge)
        case _:
            raise Refusal("validation_failed", "sign on by name and PIN, or by badge")
    return answer(begun_json(begun), status=201)


async def vouch(node: Node, caller: Caller, body: WitnessBody) -> Begun:
    """Show one's PIN as the witness of what somebody else records at this till.

    For two minutes requests that name the person as `witness` carry the token in `Everstock-Witness`.
    """
    if caller.authority is Authority.OPERATOR:
        raise Refusal("forbidden", "a witness is at a till, by its token")
    begun = await node.people.sign_ins.vouch(caller, body.username, body.pin)
    return answer(begun_json(begun), status=201)


async def end_shift(node: Node, caller: Caller) -> Annotated[web.Response, Answers(Ended)]:
    """Sign off at this till, whoever is signed on."""
    if caller.authority is not Authority.TILL:
        raise Refusal("forbidden", "a shift is at a till, by its token")
    await node.people.sign_ins.sign_off(caller.name)
    return answer({"status": "ended"})


async def administer_users(
    node: Node, operator: Operator, body: OperatorUserBody
) -> Annotated[web.Response, Answers(Administration)]:
    """Do what `everstock-node user` asks for, by user name."""
    asked = Administered(**dict(body))
    return answer(await administer(node.people, operator, asked, node.certificate.writes))


def _shown(node: Node, caller: Caller, id_: str) -> dict[str, object]:
    actor = actor_of(caller)
    places: Places = places_of(actor, _READ)
    if not isinstance(places, str):
        places = frozenset(places)
    contact = reach_of(actor, _CONTACT) is not Reach.NOWHERE
    return user_json(node.people.roster, id_, places, with_contact=contact)


def _only_location(node: Node) -> str:
    writes = node.certificate.writes
    if len(writes) != 1:
        raise Refusal("validation_failed", "say which location the account is for")
    return str(writes[0])


_SIGNING_IN: Final = ("unauthenticated", "rate_limited", "forbidden", "unavailable", "disk_full")
_SIGNING_UP: Final = ("rate_limited", "forbidden", "unavailable", "disk_full")
_OF_PEOPLE: Final = ("forbidden", "not_found", "disk_full")

PEOPLE_ROUTES: Final = (
    Route("POST", "/v1/signup", sign_up, _SIGNING_UP, is_open=True),
    Route("POST", "/v1/login", log_in, _SIGNING_IN, is_open=True),
    Route("POST", "/v1/logout", log_out, ("forbidden", "disk_full"), is_own=True),
    Route("GET", "/v1/me", show_me, is_own=True),
    Route("POST", "/v1/me/password", change_password, _SIGNING_IN, is_own=True),
    Route("GET", "/v1/users", show_list, action=action("directory.read"), is_narrowed=True),
    Route(
        "POST", "/v1/users", create, ("forbidden", "conflict", "disk_full"), action("users.create")
    ),
    Route("GET", "/v1/users/{id}", show, ("not_found",), action("directory.read")),
    Route("PATCH", "/v1/users/{id}", change, _OF_PEOPLE, action("users.grant")),
    Route("DELETE", "/v1/users/{id}", archive, _OF_PEOPLE, action("users.disable")),
    Route("POST", "/v1/users/{id}/grant", grant, _OF_PEOPLE, action("users.grant")),
    Route("POST", "/v1/users/{id}/disable", disable, _OF_PEOPLE, action("users.disable")),
    Route("POST", "/v1/users/{id}/enable", enable, _OF_PEOPLE, action("users.disable")),
    Route("POST", "/v1/users/{id}/reset", reset, _OF_PEOPLE, action("users.reset")),
    Route("POST", "/v1/users/{id}/badge", give_badge, _OF_PEOPLE, action("users.reset")),
    Route("GET", "/v1/roles", show_roles, action=action("roles.read")),
    Route("POST", "/v1/shifts", begin_shift, _SIGNING_IN, action("shifts.start")),
    Route("POST", "/v1/witnesses", vouch, _SIGNING_IN, is_own=True),
    Route("DELETE", "/v1/shifts", end_shift, ("forbidden", "disk_full"), is_own=True),
    Route(
        "POST",
        "/v1/operator/users",
        administer_users,
        (*_OF_PEOPLE, "conflict"),
        action("node.administer"),
    ),
)
