"""`/v1/messages`: letters between locations, sealed for those they are to and signed by the node that sent them.

Rule: a message is shown in clear to whoever may read it and to nobody else; one that is not of whom it says is shown as
`forged`, without a word of what it holds.
"""

from typing import Annotated

from aiohttp import web

from node.api.answers import JSON_TYPE, answer, answer_page
from node.api.headers import IdempotencyKey
from node.api.message_shown import MessagePage, MessageSent, MessageShown
from node.api.models import MessageBody, Nothing
from node.api.movements import movement_id
from node.api.queries import MessagesAsked, MovementAddress
from node.api.typed import Answers, Route
from node.commands.requests import Caller, Refusal
from node.node import Node
from node.sealing.letters import Writing
from protocol.access.table import action
from protocol.ids import Location, OpId
from protocol.letters import About, for_person

Sent = Annotated[
    web.Response,
    Answers(
        MessageSent,
        status=201,
        headers={
            "Location": "The message's address.",
            "Idempotency-Replayed": "`true` on a repeat: nothing was sent now.",
        },
    ),
]
Page = Annotated[web.Response, Answers(MessagePage)]
One = Annotated[web.Response, Answers(MessageShown)]


async def send_message(node: Node, caller: Caller, key: IdempotencyKey, body: MessageBody) -> Sent:
    """Send a message.

    To everybody at a location, to those of a role there, or to one person, who reads it there and nowhere else. Kept here until the hub is reached; the text is sealed before
    it is kept. The first message to a location needs the hub once, for its keys: until then this answers `unavailable`.
    """
    about = None if body.about is None else About(body.about.collection, body.about.id)
    if body.person is not None and body.role is not None:
        raise Refusal("validation_failed", "a message is to a role or to a person, not to both")
    role = None if body.role is None else body.role.value
    if body.person is not None:
        role = for_person(body.person)
    writing = Writing(Location(body.origin), Location(body.to), role, body.text, about)
    sent = await node.letters.send(caller, writing, key)
    headers = {"Location": f"/v1/messages/{sent.movement_id}"}
    if sent.replayed:
        headers["Idempotency-Replayed"] = "true"
    return web.Response(status=sent.status, body=sent.body, content_type=JSON_TYPE, headers=headers)


async def list_messages(node: Node, caller: Caller, asked: MessagesAsked) -> Page:
    """List messages that the caller may read, those that changed last first.

    A page may hold fewer than `limit`, also none, and have a `next` all the same: what is not the caller's is left out.
    """
    return answer_page(*await node.letters.newest(caller, asked.limit, asked.cursor))


async def show_message(node: Node, caller: Caller, address: MovementAddress) -> One:
    """Show one message."""
    return answer(await node.letters.one(caller, _id(address)))


async def read_message(node: Node, caller: Caller, address: MovementAddress, _body: Nothing) -> One:
    """Say that the caller has read a message.

    Signed by this node and sent to the location that wrote it. Saying it again changes nothing.
    """
    return answer(await node.letters.note_read(caller, _id(address)))


MESSAGE_ROUTES = (
    Route(
        "POST",
        "/v1/messages",
        send_message,
        ("forbidden", "sealing_unavailable", "unavailable"),
        action("mail.send"),
    ),
    Route(
        "GET",
        "/v1/messages",
        list_messages,
        ("forbidden",),
        action("mail.read"),
        is_narrowed=True,
    ),
    Route(
        "GET",
        "/v1/messages/{id}",
        show_message,
        ("forbidden", "not_found"),
        action("mail.read"),
    ),
    Route(
        "POST",
        "/v1/messages/{id}/read",
        read_message,
        ("forbidden", "not_found", "conflict", "disk_full"),
        action("mail.read"),
    ),
)


def _id(address: MovementAddress) -> OpId:
    return OpId(movement_id(address))
