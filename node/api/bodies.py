"""Bodies: JSON or MessagePack, whichever the request names, to the same Python values.

Rule: both forms get the same decision. What only one of them can say (bytes, ext types, numbers beyond 64 bits) is
refused, and a value is judged by the models alone, never by the form it came in.
"""

from typing import TypeVar

from aiohttp import web

from node.api.models import Body
from protocol.codec import unpack
from protocol.errors import Code, ProtocolError
from protocol.limits import BODY_BYTES_MAX
from runtime.bodies import read_json
from runtime.problems import Problem

MSGPACK = "application/msgpack"
MERGE_PATCH = "application/merge-patch+json"

B = TypeVar("B", bound=Body)


async def read_body(request: web.Request, model: type[B]) -> B:
    """Read and check the body.

    Raises: Problem `malformed_body`, `too_large`, `unsupported_media_type`; ValidationError.
    """
    return model.model_validate(as_object(decode(await _content(request), request.content_type)))


async def read_nothing(request: web.Request, model: type[B]) -> B:
    """Read a body that may be missing, and then is an empty object.

    Raises: as `read_body`.
    """
    content = await _content(request)
    found = as_object(decode(content, request.content_type)) if content else {}
    return model.model_validate(found)


def decode(content: bytes, content_type: str) -> object:
    """Turn bytes into a value, whatever it is.

    Raises: Problem `malformed_body`, `too_large`.
    """
    if content_type != MSGPACK:
        return read_json(content)
    try:
        return unpack(content, bytes_max=BODY_BYTES_MAX)
    except ProtocolError as error:
        code = "too_large" if error.code is Code.TOO_LARGE else "malformed_body"
        raise Problem(code, f"The body is not accepted: {error.detail}.") from None


def as_object(value: object) -> dict[object, object]:
    """Refuse anything but an object, before a model names its own class in the message.

    Raises: Problem `validation_failed`.
    """
    if not isinstance(value, dict):
        fault = {"loc": [], "msg": "must be an object", "type": "dict_type"}
        raise Problem("validation_failed", "The request must be an object.", errors=[fault])
    return value


async def _content(request: web.Request) -> bytes:
    # A compressed body is a way to send much more than was paid for, and no till needs it.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem("unsupported_media_type", "The body must not be compressed.")
    return await request.read()
