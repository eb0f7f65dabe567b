"""What a shop decides for itself: how much of a SKU it wants to have, and what it wants to be told."""

from typing import Final

from protocol.declarations.kinds import Choice, Code, Instant, Text, Whole
from protocol.declarations.vocabulary import (
    OWN_ATTRIBUTES,
    Collection,
    Field,
    Place,
    Set,
    Writers,
)
from protocol.limits import DELTA_MAX, NOTE_CHARS_MAX
from protocol.workflows.alerts import Condition

LEVELS: Final = Collection(
    name="levels",
    one="level",
    model="Level",
    meaning="How much of a SKU a location wants to have.",
    identity=("location", "sku"),
    place=Place.LOCATIONS,
    writers=Writers.OF_ITS_LOCATIONS,
    fields=(
        Field("location", Code("locations"), "Where.", set=Set.AT_CREATION, required=True),
        Field("sku", Code("skus"), "Of what.", set=Set.AT_CREATION, required=True),
        Field("minimum", Whole(), "Below this it is low."),
        Field("reorder_quantity", Whole(0, DELTA_MAX), "How much is ordered then."),
    ),
    entries=(OWN_ATTRIBUTES,),
    example={
        "location": "S01",
        "sku": "PARACETAMOL-500-TAB",
        "minimum": 400,
        "reorder_quantity": 1_000,
    },
    locations=("location",),
    filters=("location", "sku"),
)

ALERTS: Final = Collection(
    name="alerts",
    one="alert",
    model="Alert",
    meaning="A rule by which somebody is told that stock is low. Changed only by whoever created it, and by the office.",
    identity=(),
    place=Place.LOCATION_OR_CATALOGUE,
    writers=Writers.ITS_CREATOR,
    fields=(
        Field("sku", Code("skus"), "Of what.", set=Set.AT_CREATION, required=True),
        Field(
            "location",
            Code("locations"),
            "Where; without one, in the whole chain together, which only the office may ask for.",
            set=Set.AT_CREATION,
        ),
        Field(
            "threshold", Whole(), "It is raised when less than this is available.", required=True
        ),
        Field(
            "notification",
            Choice(("live", "email", "webhook")),
            "How it is told, beside the list of alerts.",
            default="live",
        ),
        Field("note", Text(NOTE_CHARS_MAX, lines=True), "What to do then."),
    ),
    entries=(OWN_ATTRIBUTES,),
    example={"sku": "PARACETAMOL-500-TAB", "location": "S01", "threshold": 100},
    locations=("location",),
    filters=("sku", "location"),
)

ACKNOWLEDGEMENTS: Final = Collection(
    name="acknowledgements",
    one="acknowledgement",
    model="Acknowledgement",
    meaning="Who has seen an alert, under an id made of what it is about. Each node raises alerts by itself; that a person has "
    "seen one is told to all. Written by `POST /v1/alerts/raised/{id}/acknowledge`.",
    identity=(),
    place=Place.LOCATION_OR_CATALOGUE,
    writers=Writers.OF_ITS_LOCATIONS,
    fields=(
        Field("condition", Choice(tuple(Condition)), "Which alert.", set=Set.AT_CREATION),
        Field("location", Code("locations"), "Where; null for the chain.", set=Set.AT_CREATION),
        Field("sku", Code("skus"), "Of what.", set=Set.AT_CREATION),
        Field("lot", Code(), "Which lot.", set=Set.AT_CREATION),
        Field("rule", Text(), "Of a `threshold`, the rule's id.", set=Set.AT_CREATION),
        Field("by", Text(), "Whose token it was."),
        Field("node", Text(), "The node where."),
        Field("at", Instant(), "When, by the hub's clock as far as that node knew it."),
        Field("raised_at", Instant(), "When the alert was raised there, by the same clock."),
    ),
    entries=(),
    example={"condition": "low", "location": "S01", "sku": "PARACETAMOL-500-TAB"},
    locations=("location",),
    filters=("location", "sku"),
    by_acts_alone=True,
)

COLLECTIONS: Final = (LEVELS, ALERTS, ACKNOWLEDGEMENTS)
