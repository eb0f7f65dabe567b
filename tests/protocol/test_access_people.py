"""What each role may do, held against a table of its own: whoever changes a right changes both, or the build fails."""

from pathlib import Path

import pytest

from protocol.access.people import (
    CHAIN,
    EVERYWHERE,
    OFFICE_ROLES,
    Actor,
    ActorKind,
    Decision,
    Resource,
    decide,
    outranks,
    places_of,
)
from protocol.access.table import RIGHTS, SEALED, TABLE, Action, PersonRole, action
from protocol.declarations import COLLECTIONS
from protocol.workflows import order_table, stocktakes, transfer_table

GOLDEN = Path(__file__).with_name("access_decisions.txt")
RESOURCES = {
    "own": Resource(frozenset({"S01"})),
    "other": Resource(frozenset({"S02"})),
    "shared": Resource(frozenset({"S01", "S02"}), is_shared=True),
    "both": Resource(frozenset({"S01", "S02"})),
    "everywhere": Resource(EVERYWHERE),
    "chain": CHAIN,
}
_LETTERS = {Decision.ALLOW: "a", Decision.FORBID: "-", Decision.HIDE: "h"}


def person(role: PersonRole | None, name: str = "ann") -> Actor:
    return Actor(name, ActorKind.PERSON, role, frozenset({"S01"}))


OPERATOR = Actor("operator", ActorKind.OPERATOR, None, frozenset({"S01"}))
ACTORS = {
    **{role.value: person(role) for role in PersonRole},
    "nobody": person(None),
    "operator": OPERATOR,
}


def test_every_decision_is_that_of_the_golden_table() -> None:
    assert decisions() == GOLDEN.read_text(encoding="utf-8")


def decisions() -> str:
    lines = [" ".join(["action".ljust(24), *ACTORS]), f"# {' '.join(RESOURCES)}"]
    for name in RIGHTS:
        cells = [
            "".join(_LETTERS[decide(actor, name, of)] for of in RESOURCES.values()).ljust(
                len(called)
            )
            for called, actor in ACTORS.items()
        ]
        lines.append(" ".join([name.ljust(24), *cells]).rstrip())
    return "\n".join(lines) + "\n"


def test_an_action_that_no_table_has_is_nobodys_and_one_that_is_misspelt_a_bug() -> None:
    assert all(decide(one, Action("stock.steal")) is Decision.FORBID for one in ACTORS.values())
    with pytest.raises(LookupError):
        action("stock.steal")


def test_each_action_stands_in_the_table_once() -> None:
    lines = [line.split()[0] for line in TABLE.splitlines()[2:] if line.strip()]
    assert len(lines) == len(set(lines)) == len(RIGHTS)


def test_every_collection_and_every_verb_of_a_workflow_has_its_actions() -> None:
    needed = {f"{name}.read" for name in COLLECTIONS if name not in {"users", "posts"}}
    for name, declared in COLLECTIONS.items():
        if not declared.by_acts_alone:
            needed |= {f"{name}.create", f"{name}.change"}
    needed |= {f"transfers.{verb}" for verb in transfer_table.Verb}
    needed |= {f"orders.{verb}" for verb in order_table.Verb}
    needed |= {f"stocktakes.{verb}" for verb in stocktakes.Verb}
    assert needed <= {str(name) for name in RIGHTS}


def test_s67_a_role_that_nobody_knows_has_no_rights() -> None:
    assert not any(decide(person(None), name) is Decision.ALLOW for name in RIGHTS)
    with pytest.raises(ValueError, match="role:admin"):
        PersonRole("role:admin")


def test_the_operator_opens_nothing_that_is_sealed_and_may_do_all_else() -> None:
    refused = {name for name in RIGHTS if decide(OPERATOR, name) is not Decision.ALLOW}
    assert refused == SEALED


def test_s67_ranks_have_no_circle() -> None:
    above = {(one, other) for one in PersonRole for other in PersonRole if outranks(one, other)}
    both_ways = {(one, other) for one, other in above if (other, one) in above}
    assert both_ways == {(PersonRole.HQ_ADMIN, PersonRole.HQ_ADMIN)}


@pytest.mark.parametrize("verb", ["create", "grant", "disable", "reset"])
def test_a_manager_manages_only_who_is_below_and_at_the_own_shop(verb: str) -> None:
    manager, what = person(PersonRole.MANAGER), action(f"users.{verb}")
    here, there = frozenset({"S01"}), frozenset({"S02"})
    allowed = {
        role
        for role in PersonRole
        if decide(manager, what, Resource(here, role=role, person="bob")) is Decision.ALLOW
    }
    below = {PersonRole.PHARMACIST, PersonRole.CLERK, PersonRole.CASHIER, PersonRole.TILL}
    assert allowed == below
    assert decide(manager, what, Resource(here, person="bob")) is Decision.ALLOW
    cashier_there = Resource(there, role=PersonRole.CASHIER, person="bob")
    assert decide(manager, what, cashier_there) is Decision.HIDE


def test_s48_nobody_grants_themselves_anything() -> None:
    for role in PersonRole:
        own = Resource(frozenset({"S01"}), role=PersonRole.TILL, person="ann")
        assert decide(person(role), action("users.grant"), own) is not Decision.ALLOW


def test_an_alert_is_its_creators_and_an_hq_admin_may_take_it_over() -> None:
    change, of_bob = action("alerts.change"), Resource(frozenset({"S01"}), owner="bob")
    allowed = {
        role for role in PersonRole if decide(person(role), change, of_bob) is Decision.ALLOW
    }
    assert allowed == {PersonRole.HQ_ADMIN}
    assert decide(person(PersonRole.CLERK, "bob"), change, of_bob) is Decision.ALLOW


def test_nobody_reads_the_mail_of_another() -> None:
    of_bob = Resource(owner="bob")
    assert not any(
        decide(one, action("mail.read"), of_bob) is Decision.ALLOW for one in ACTORS.values()
    )


def test_a_list_is_left_to_where_the_right_is_held() -> None:
    read = action("orders.read")
    assert places_of(person(PersonRole.CASHIER), read) == {"S01"}
    assert places_of(person(PersonRole.AUDITOR), read) == EVERYWHERE
    assert places_of(person(None), read) == frozenset()


def test_only_roles_of_the_office_reach_beyond_a_shop_with_what_is_not_the_chains() -> None:
    elsewhere = Resource(frozenset({"S02"}))
    of_all = {
        name for name in RIGHTS if decide(person(PersonRole.CASHIER), name, CHAIN) is Decision.ALLOW
    }
    for role in set(PersonRole) - OFFICE_ROLES:
        reaching = {
            name for name in RIGHTS if decide(person(role), name, elsewhere) is Decision.ALLOW
        }
        assert not {name for name in reaching if name.startswith(("users.", "days.", "movements."))}
    assert Action("stock.read") in of_all
