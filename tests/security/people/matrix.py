"""Every address asked by everybody: what is sent, and what the answer says of the right to it.

Rule: a request is made of the route alone (its path, its parameters, the example of its body), of the own or another
location. An answer is one of four: refused, hidden, not known, or beyond rights: whatever else was wrong then is told.
"""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from node.api.models import Body
from node.api.queries import Query
from node.api.typed import Route
from tests.node.api.caller import ApiCaller

LOCATIONS: Final = {"own": "S01", "other": "S02"}
_ELSEWHERE: Final = {"S01": {"S01": "S01", "S02": "S09"}, "S02": {"S01": "S02", "S02": "S09"}}
_PARAMETERS: Final = {"sku": "tea", "lot": "L1", "as_of": "2023-11-14T00:00:00Z"}
_NO_ID: Final = "00000000-0000-4000-8000-000000000000"
_LETTERS: Final = {401: "?", 403: "-", 404: "h"}


@dataclass(frozen=True, slots=True)
class Things:
    """The ids of what there is at each location, by the collection in an address."""

    ids: dict[str, dict[str, str]]

    def path(self, route: Route, location: str) -> str:
        """An address of the route about something that is there."""
        collection = route.path.removeprefix("/v1").split("/")[1]
        id_ = self.ids.get(collection, {}).get(location, _NO_ID)
        if "/raised/" in route.path:
            id_ = _NO_ID
        named = {"id": id_, "location": location, "sku": "tea", "name": "storage"}
        code = location if collection == "locations" else "L1" if "{sku}" in route.path else "tea"
        named |= {"code": code, "collection": "skus", "date": "2023-11-14", "file": "playground.js"}
        return route.path.format(**named)


def parameters(route: Route, location: str) -> dict[str, str]:
    """What is asked for."""
    model = route.argument_of(Query)
    if model is None:
        return {}
    given = {
        name: _PARAMETERS[name]
        for name, one in model.model_fields.items()
        if one.is_required() and name in _PARAMETERS
    }
    if "location" in model.model_fields:
        given["location"] = location
    if "scope" in model.model_fields:
        given["scope"] = f"stock:{location}"
    if "scopes" in model.model_fields:
        given["scopes"] = f"docs:{location}"
    return given


def body(route: Route, location: str, routes: tuple[Route, ...]) -> dict[str, Any] | None:
    """The example of what is sent, about a location."""
    model = route.argument_of(Body)
    if model is None:
        return None
    if route.path == "/v1/movements/batch":
        return {
            "movements": [{"key": "k", **_about(_example(_of(routes, "/v1/movements")), location)}]
        }
    if route.path.endswith("/batch"):
        one = _example(_of(routes, route.path.removesuffix("/batch")))
        return {"documents": [{"key": "k", **_about(one, location)}]}
    example = _example(route)
    if route.path == "/v1/me/password":
        return example
    found: dict[str, Any] = _about(example, location)
    if "location" in model.model_fields:
        found.setdefault("location", location)
    if "username" in found:
        found["username"] = f"new-{location.lower()}"
    return found


async def ask(
    caller: ApiCaller, route: Route, things: Things, location: str, key: str, sent: Any
) -> str:
    """Ask, and say what the answer means: `a` beyond rights, `-` refused, `h` as if not there, `?` not known."""
    headers = {"Idempotency-Key": key.replace(" ", "_")}
    # A stream never ends, and HEAD of it is asked for the same right.
    method = "HEAD" if route.path == "/v1/events" else route.method
    options = {} if sent is None else {"json": sent}
    reply = await caller.ask(
        method,
        things.path(route, location),
        params=parameters(route, location),
        headers=headers,
        **options,
    )
    if reply.status == 422 and method == "GET":
        raise AssertionError((route.path, reply))
    well_asked = reply.status < 500 and (reply.status != 400 or route.path == "/v1/live")
    assert well_asked, (route.method, route.path, reply)
    return _LETTERS.get(reply.status, "a")


def item_status(answer: Any) -> str:
    """The same of the one item of a batch."""
    return _LETTERS.get(answer["results"][0]["status"], "a")


def _of(routes: tuple[Route, ...], path: str) -> Route:
    return next(one for one in routes if (one.method, one.path) == ("POST", path))


def _example(route: Route) -> dict[str, Any]:
    model = route.argument_of(Body)
    found: list[dict[str, Any]] = TypeAdapter(model).json_schema().get("examples", [{}])
    return found[0]


def _about(value: Any, location: str) -> Any:
    match value:
        case dict():
            return {name: _about(one, location) for name, one in value.items()}
        case list():
            return [_about(one, location) for one in value]
        case str():
            return _ELSEWHERE[location].get(value, value)
        case _:
            return value
