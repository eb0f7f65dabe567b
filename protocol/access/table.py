"""The rights of each role, one line an action: what people and tills may do at a node.

Rule: an action that has no line here does not exist, and a role without a mark in a line may not. `*` is anywhere, `o` at
the actor's own locations, `.` nowhere. A till is a device whose person has not signed on; of a person at a till the
person's own column counts.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final, NewType

Action = NewType("Action", str)
"""`<matter>.<verb>`: of documents the collection's name and `read`, `create`, `change`, or a verb of its workflow."""


class PersonRole(StrEnum):
    """What somebody is at a node. One that this version does not know has no rights."""

    HQ_ADMIN = "hq_admin"
    BUYER = "buyer"
    AUDITOR = "auditor"
    MANAGER = "manager"
    PHARMACIST = "pharmacist"
    CLERK = "clerk"
    CASHIER = "cashier"
    TILL = "till"


class Reach(Enum):
    """Where a role may do something."""

    NOWHERE = "."
    OWN = "o"
    ANYWHERE = "*"


TABLE: Final = """
                         hq_admin buyer auditor manager pharmacist clerk cashier till

stock.read                   *      *      *       *        *        *      *      *
movements.read               *      *      *       o        o        o      o      o
movements.record             *      .      .       o        o        o      o      o
stock.opening                *      .      .       o        o        o      .      o
stock.receive                *      .      .       o        o        o      .      o
stock.sale                   *      .      .       o        o        o      o      o
stock.dispense               *      .      .       o        o        .      .      o
stock.customer_return        *      .      .       o        o        o      o      o
stock.supplier_return        *      .      .       o        o        o      .      o
stock.adjust                 *      .      .       o        o        o      .      o
stock.waste                  *      .      .       o        o        o      .      o
stock.count                  *      .      .       o        o        o      .      o
stock.reversal               *      .      .       o        o        .      .      o
stock.override_lot           *      .      .       o        o        .      .      .

skus.read                    *      *      *       *        *        *      *      *
skus.create                  *      *      .       *        *        *      .      .
skus.change                  *      *      .       .        .        .      .      .
skus.link                    *      *      .       *        *        *      .      *
locations.read               *      *      *       *        *        *      *      *
locations.create             *      .      .       .        .        .      .      .
locations.change             *      .      .       .        .        .      .      .
suppliers.read               *      *      *       *        *        *      *      *
suppliers.create             *      *      .       *        .        *      .      .
suppliers.change             *      *      .       .        .        .      .      .
lots.read                    *      *      *       *        *        *      *      *
lots.create                  *      *      .       *        *        *      .      .
lots.change                  *      *      .       .        .        .      .      .
lots.recall                  *      *      .       .        .        .      .      .
lots.acknowledge             *      .      .       o        o        o      .      .
attributes.read              *      *      *       *        *        *      *      *
attributes.create            *      .      .       .        .        .      .      .
attributes.change            *      .      .       .        .        .      .      .

levels.read                  *      *      *       o        o        o      o      o
levels.create                *      *      .       o        .        .      .      .
levels.change                *      *      .       o        .        .      .      .
alerts.read                  *      *      *       o        o        o      o      o
alerts.create                *      *      .       o        o        o      .      .
alerts.change                *      *      .       o        o        o      .      .
alerts.acknowledge           *      *      .       o        o        o      o      o
acknowledgements.read        *      *      *       o        o        o      o      o
acknowledgements.create      .      .      .       .        .        .      .      .
acknowledgements.change      .      .      .       .        .        .      .      .
exceptions.read              *      *      *       o        o        o      o      o
exceptions.resolve           *      *      .       o        o        .      .      .
resolutions.read             *      *      *       o        o        o      o      o
resolutions.create           .      .      .       .        .        .      .      .
resolutions.change           .      .      .       .        .        .      .      .

orders.read                  *      *      *       o        o        o      o      o
orders.create                *      *      .       o        o        o      .      .
orders.change                *      *      .       o        o        o      .      .
orders.amend                 *      *      .       o        o        o      .      .
orders.submit                *      *      .       o        o        o      .      .
orders.approve               *      *      .       o        .        .      .      .
orders.reject                *      *      .       o        .        .      .      .
orders.place                 *      *      .       o        .        .      .      .
orders.fulfil                *      .      .       o        o        o      o      o
orders.dispense              *      .      .       o        o        .      .      o
orders.cancel                *      *      .       o        .        .      .      .
orders.close                 *      *      .       o        o        o      .      .
orders.reverse               *      .      .       o        o        .      .      o
orders.acknowledge           *      *      .       o        o        o      .      .
transfers.read               *      *      *       o        o        o      o      o
transfers.create             *      *      .       o        o        o      .      .
transfers.change             *      *      .       o        o        o      .      .
transfers.amend              *      *      .       o        o        o      .      .
transfers.allocate           *      *      .       o        o        o      .      .
transfers.ship               *      .      .       o        o        o      .      o
transfers.receive            *      .      .       o        o        o      .      o
transfers.call_back          *      *      .       o        o        o      .      .
transfers.turn_back          *      .      .       o        o        o      .      o
transfers.receive_back       *      .      .       o        o        o      .      o
transfers.cancel             *      *      .       o        .        .      .      .
transfers.close              *      *      .       o        o        o      .      .
transfers.reverse            *      .      .       o        o        .      .      o
stocktakes.read              *      *      *       o        o        o      o      o
stocktakes.create            *      .      .       o        o        o      .      .
stocktakes.change            *      .      .       o        o        o      .      .
stocktakes.start             *      .      .       o        o        o      o      o
stocktakes.count             *      .      .       o        o        o      o      o
stocktakes.submit            *      .      .       o        o        o      o      o
stocktakes.recount           *      .      .       o        o        .      .      .
stocktakes.verify            *      .      .       o        o        .      .      .
stocktakes.explain           *      .      .       o        o        o      .      .
stocktakes.finalise          *      .      .       o        .        .      .      .
stocktakes.cancel            *      .      .       o        .        .      .      .
stocktakes.expected          *      .      *       o        o        .      .      .

reports.stock                *      *      *       *        *        *      .      *
reports.read                 *      *      *       o        o        o      .      o
days.read                    *      .      *       o        o        .      .      o
controlled.read              *      .      *       o        o        .      .      o
cost.read                    *      *      *       o        .        .      .      .
contact.read                 *      *      *       *        *        *      .      *

directory.read               *      *      *       *        *        *      *      *
roles.read                   *      *      *       *        *        *      *      *
users.read                   *      .      *       o        .        .      .      .
users.create                 *      .      .       o        .        .      .      .
users.grant                  *      .      .       o        .        .      .      .
users.disable                *      .      .       o        .        .      .      .
users.reset                  *      .      .       o        .        .      .      .
shifts.start                 .      .      .       .        .        .      .      o



audit.read                   *      .      *       o        .        .      .      .
audit.export                 *      .      *       .        .        .      .      .
patient.read                 .      .      .       .        o        .      .      .
patient.erase                *      .      .       .        o        .      .      .
mail.read                    *      *      *       *        *        *      *      .
mail.send                    *      *      *       *        *        *      *      .
mail.key                     *      *      *       *        *        *      *      .

live.read                    *      *      *       *        *        *      *      *
sync.read                    *      *      *       *        *        *      *      *
metrics.read                 *      *      *       *        *        *      *      *
webhooks.read                .      .      .       .        .        .      .      .
node.administer              .      .      .       .        .        .      .      .
"""

SEALED: Final = frozenset({Action("patient.read"), Action("mail.read")})
"""What no token of the machine opens: only a person whose right it is."""


def _read(table: str) -> Iterator[tuple[Action, Mapping[PersonRole, Reach]]]:
    head, *lines = (line.split() for line in table.splitlines() if line.strip())
    roles = [PersonRole(name) for name in head]
    for action, *marks in lines:
        yield Action(action), MappingProxyType(dict(zip(roles, map(Reach, marks), strict=True)))


RIGHTS: Final[Mapping[Action, Mapping[PersonRole, Reach]]] = MappingProxyType(dict(_read(TABLE)))
"""The table, by action and role."""


def action(name: str) -> Action:
    """The action of a name; a bug when there is none, so that a misspelt one is found where it is written."""
    if name not in RIGHTS:
        raise LookupError(f"there is no action {name!r} in protocol.access.table")
    return Action(name)
