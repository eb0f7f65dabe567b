"""`/v1/operator/lan`: what `everstock-node lan` asks of the daemon that has the folder. Operator's token only."""

from typing import Annotated, Any

from aiohttp import web
from pydantic import ConfigDict, Field

from node.api.answers import answer
from node.api.models import Body, Nothing
from node.api.shown import Shown
from node.api.typed import Answers, Operator
from node.api.values import Name
from node.lan.door import Lan, told
from node.lan.names import NAMES_MAX
from node.node import Node
from protocol.notes import Action
from runtime.folder import FolderError
from runtime.problems import Problem


class LanBody(Body):
    """Where to serve other machines; what is null stays as it was said last."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"listen": "0.0.0.0:7311", "names": ["shop.example.com"]}]}
    )

    listen: Name | None = None
    names: Annotated[list[Name], Field(max_length=NAMES_MAX)] | None = None
    new_ca: bool = False


class LanStatus(Shown):
    """How the door for other machines stands."""

    on: bool
    """Whether it is wished for, also at the next start."""
    listening: bool
    listen: str | None
    names: list[str]
    """What the certificate is for."""
    ca_file: str | None
    """On this machine: what other machines must trust."""
    ca_fingerprint: str | None
    """SHA-256, in pairs."""
    ca_ends_at: str | None
    certificate_ends_at: str | None
    """It is renewed a month before."""
    problem: str | None
    """Why it is not as it is wished for."""


Status = Annotated[web.Response, Answers(LanStatus)]


async def show_status(lan: Lan, _operator: Operator, _body: Nothing) -> Status:
    """Show whether other machines are served, and until when the certificate is good."""
    return answer(await lan.status())


async def turn_on(node: Node, lan: Lan, operator: Operator, body: LanBody) -> Status:
    """Serve other machines over HTTPS, at once and after every start.

    Tokens made with `lan` count there and nowhere else.
    """
    found = await _done(lan.turn_on(body.listen, body.names, new_authority=body.new_ca))
    await node.note(operator, told(Action.LAN_OPENED, found))
    return answer(found)


async def turn_off(node: Node, lan: Lan, operator: Operator, _body: Nothing) -> Status:
    """Serve this machine only; whoever came in from another one is cut off."""
    found = await _done(lan.turn_off())
    await node.note(operator, told(Action.LAN_CLOSED, found))
    return answer(found)


async def _done(changing: Any) -> Any:
    try:
        return await changing
    except (FolderError, OSError) as error:
        raise Problem("unavailable", f"The folder cannot be used: {error}.") from error
