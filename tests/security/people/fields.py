"""Which fields an answer has: those that its description names, and those in which something stands.

A path is `items[].cost.amount`; whatever a map is keyed by is `*`. What stands under a name that is described nowhere is a
path too, so that nothing which is answered is without one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]


class Described:
    """The paths of one document of OpenAPI."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Schema] = document["components"]["schemas"]

    def named(self, schema: Schema) -> list[str]:
        """Every path that a schema has; those of one that holds itself but once."""
        return sorted(set(self._named(schema, "", ())))

    def filled(self, schema: Schema, value: Any) -> set[str]:
        """The paths at which an answer has something else than null."""
        return set(self._filled([schema], value, ""))

    def _named(self, schema: Schema, path: str, above: tuple[str, ...]) -> Iterator[str]:
        within = above
        found = False
        for name, part in self._parts([schema]):
            if (reference := schema.get("$ref")) in above:
                return
            within = above if reference is None else (*above, reference)
            found = True
            yield from self._named(part, path + name, within)
        if not found:
            yield path.removeprefix(".")

    def _filled(self, schemas: Sequence[Schema], value: Any, path: str) -> Iterator[str]:
        parts = list(self._parts(schemas))
        match value:
            case dict() if parts or not path:
                for key, one in value.items():
                    at = f".{key}"
                    if at not in {name for name, _ in parts} and ".*" in {
                        name for name, _ in parts
                    }:
                        at = ".*"
                    yield from self._filled([s for n, s in parts if n == at], one, path + at)
            case list():
                for one in value:
                    yield from self._filled([s for n, s in parts if n == "[]"], one, f"{path}[]")
            case None:
                return
            case _:
                yield path.removeprefix(".")

    def _parts(self, schemas: Sequence[Schema]) -> Iterator[tuple[str, Schema]]:
        """What stands directly in any of these, each with its name."""
        for schema in schemas:
            if "$ref" in schema:
                yield from self._parts([self._schemas[schema["$ref"].rpartition("/")[2]]])
            for several in ("anyOf", "oneOf", "allOf"):
                yield from self._parts(schema.get(several, ()))
            for name, part in schema.get("properties", {}).items():
                yield f".{name}", part
            if isinstance(part := schema.get("additionalProperties"), dict):
                yield ".*", part
            if isinstance(part := schema.get("items"), dict):
                yield "[]", part
