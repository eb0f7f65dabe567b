"""The parameters of addresses.

Invariant: an unknown or repeated parameter is refused: a list that silently ignores a misspelt filter shows
everything, and whoever asked believes it.
"""

from typing import Annotated, Final, Literal, Self, TypeVar

from aiohttp import web
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from node.api.values import (
    Code,
    Cursor,
    Days,
    Instant,
    Kind,
    Limit,
    Reference,
)
from protocol.declarations.kinds import PRINTS
from protocol.ids import CHAIN_SCOPES, LOCATION_SCOPES, scope_is_valid
from protocol.limits import CODE_CHARS_MAX, LIST_LIMIT_DEFAULT
from runtime.problems import Problem

_OF_LOCATION: Final = f"({'|'.join(LOCATION_SCOPES)}):{PRINTS}{{1,{CODE_CHARS_MAX}}}"
SCOPE_SCHEMA: Final = {
    "type": "string",
    "pattern": f"^({'|'.join(CHAIN_SCOPES)}|{_OF_LOCATION})$",
    "examples": ["stock:S01"],
}


class Query(BaseModel):
    """What every set of parameters has in common."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)


class Address(BaseModel):
    """What every set of an address's own parts has in common."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)


Q = TypeVar("Q", bound=Query)


class MovementsAsked(Query):
    """Which movements to list; what is not given does not restrict."""

    location: Code | None = None
    sku: Code | None = None
    lot: Annotated[
        Code | Literal[""] | None,
        Field(description="Only together with `sku`; empty for goods without a lot."),
    ] = None
    kind: Kind | None = None
    reference: Reference | None = None
    since: Instant | None = None
    until: Annotated[Instant | None, Field(description="Not included.")] = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _lot_is_of_a_sku(self) -> Self:
        if self.lot is not None and self.sku is None:
            raise PydanticCustomError("lot", "a lot is asked for together with its sku")
        return self


class MessagesAsked(Query):
    """How many messages, and from where on."""

    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


class StockAsked(Query):
    """Which rows of stock to list; what is not given does not restrict."""

    location: Code | None = None
    sku: Code | None = None
    q: Annotated[
        Reference | None,
        Field(
            description="Part of a SKU's code, or what words of its name, category, strength or barcode begin with."
        ),
    ] = None
    below_minimum: Literal["true", "false"] = "false"
    expiring_within_days: Days | None = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


class MovementAddress(Address):
    """The id in `/v1/movements/{id}`. What is no id names no movement."""

    id: Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]


class StockAddress(Address):
    """The two codes in `/v1/stock/{location}/{sku}`."""

    location: Code
    sku: Code


class DigestAsked(Query):
    """Which scope to sum up."""

    scope: Annotated[str, WithJsonSchema(SCOPE_SCHEMA)]

    @field_validator("scope")
    @classmethod
    def _is_known(cls, scope: str) -> str:
        if not scope_is_valid(scope):
            raise PydanticCustomError("scope", "is not a scope")
        return scope


def refuse_parameters(request: web.Request) -> None:
    """For an address that takes none.

    Raises: Problem `validation_failed`.
    """
    if request.query:
        raise Problem("validation_failed", "This address takes no parameters.")


def parameters(request: web.Request, model: type[Q]) -> Q:
    """Read the address's parameters.

    Raises: Problem or ValidationError, both `validation_failed`.
    """
    given = request.query
    if len(given) != len(set(given)):
        raise Problem("validation_failed", "A parameter is given twice.")
    return model.model_validate(dict(given))
