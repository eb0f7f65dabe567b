"""What the whole chain shares: SKUs, suppliers, lots, locations, and the attributes that the office declares."""

from typing import Final

from protocol.declarations.kinds import (
    Choice,
    Code,
    Day,
    Flag,
    Id,
    Instant,
    Money,
    Part,
    Record,
    Text,
    Whole,
)
from protocol.declarations.vocabulary import (
    OWN_ATTRIBUTES,
    Audience,
    Collection,
    Entries,
    Field,
    Place,
    Rule,
    Set,
    Writers,
)
from protocol.limits import (
    ACKNOWLEDGEMENTS_MAX,
    ATTRIBUTE_CHOICES_MAX,
    BARCODE_CHARS_MAX,
    BARCODES_MAX,
    DELTA_MAX,
    NOTE_CHARS_MAX,
    PACKS_MAX,
    SKU_NAME_CHARS_MAX,
    STRENGTH_CHARS_MAX,
)

UNIT_CHARS_MAX: Final = 20

SKUS: Final = Collection(
    name="skus",
    one="SKU",
    model="Sku",
    meaning="Something that is stocked and sold, under its code. Codes are never renamed: `replaced_by` points on.",
    identity=("id",),
    place=Place.CATALOGUE,
    writers=Writers.CREATED_BY_STORES,
    fields=(
        Field("name", Text(SKU_NAME_CHARS_MAX), "What people call it.", required=True),
        Field("description", Text(NOTE_CHARS_MAX, lines=True), "More about it."),
        Field(
            "unit",
            Text(UNIT_CHARS_MAX),
            "The base unit that quantities count, such as `each`, `g`, `ml` or `tablet`.",
            default="each",
        ),
        Field(
            "display_unit",
            Text(UNIT_CHARS_MAX),
            "The unit that screens and imports show, such as `kg`; without one, `unit`.",
        ),
        Field(
            "display_decimals",
            Whole(0, 6),
            "How many decimals the display unit has: 3 shows 1,500 g as 1.500 kg.",
            default=0,
        ),
        Field("category", Text(), "The shelf or department it belongs to."),
        Field("supplier", Id("suppliers"), "Who usually delivers it."),
        Field("minimum", Whole(), "Below this a location is low, unless its level says otherwise."),
        Field("price", Money(), "The selling price of one base unit."),
        Field(
            "cost",
            Money(),
            "What one base unit costs to buy. Left out where it may not be seen.",
            audience=Audience.OFFICE,
        ),
        Field("dosage_form", Text(), "Of a medicine: tablet, capsule, syrup."),
        Field("strength", Text(STRENGTH_CHARS_MAX), "Of a medicine: `500 mg`."),
        Field(
            "controlled",
            Flag(),
            "Whether it goes into the controlled-drug register.",
            default=False,
        ),
        Field(
            "witness",
            Flag(),
            "Whether a second person must see it sold, dispensed or thrown away.",
            default=False,
        ),
        Field("lot_tracked", Flag(), "Whether its lines must name a lot.", default=False),
        Field(
            "prescription_only",
            Flag(),
            "Whether it is dispensed and never just sold.",
            default=False,
        ),
        Field("replaced_by", Code("skus"), "The SKU to use in its place."),
    ),
    entries=(
        Entries(
            "packs",
            Text(64),
            Record((Part("multiple", Whole(1, DELTA_MAX), "Base units in one.", required=True),)),
            "Named packs and what they hold.",
            entries_max=PACKS_MAX,
        ),
        Entries(
            "barcodes",
            Code(chars_max=BARCODE_CHARS_MAX),
            Record((Part("pack", Text(64), "The pack it is on; without one, the base unit."),)),
            "What scanners read on it. The same barcode on two SKUs is offered as both.",
            entries_max=BARCODES_MAX,
            stores_change=True,
        ),
        Entries(
            "unconfirmed_barcodes",
            Code(chars_max=BARCODE_CHARS_MAX),
            Code("locations"),
            "Which of its barcodes a shop linked on the spot, and where. The office confirms one by taking it out of here.",
            entries_max=BARCODES_MAX,
            stores_change=True,
        ),
        OWN_ATTRIBUTES,
    ),
    example={
        "id": "PARACETAMOL-500-TAB",
        "name": "Paracetamol 500 mg",
        "unit": "tablet",
        "packs": {"box of 20": {"multiple": 20}},
        "barcodes": {"5901234123457": {"pack": "box of 20"}},
        "category": "Pain relief",
        "minimum": 400,
        "price": {"amount": 8, "currency": "GBP"},
        "dosage_form": "tablet",
        "strength": "500 mg",
        "lot_tracked": True,
    },
    filters=("category", "supplier"),
)

LOCATIONS: Final = Collection(
    name="locations",
    one="location",
    model="Location",
    meaning="A place with stock of its own, under its code.",
    identity=("id",),
    place=Place.DIRECTORY,
    writers=Writers.OFFICE,
    fields=(
        Field("name", Text(), "What people call it.", required=True),
        Field("address", Text(NOTE_CHARS_MAX, lines=True), "Where it is."),
        Field(
            "kind",
            Choice(("store", "warehouse", "bin", "transit", "supplier", "customer", "loss")),
            "What happens there.",
            default="store",
        ),
        Field(
            "negative_stock",
            Choice(("allow", "warn", "refuse")),
            "What becomes of a line that would leave less than nothing.",
            default="allow",
        ),
        Field(
            "count_limit_units",
            Whole(0, DELTA_MAX),
            "A difference that a stocktake finds above so many base units, either way, needs a second person.",
        ),
        Field(
            "count_limit_value",
            Money(),
            "The same for what the difference is worth, at the SKU's selling price.",
        ),
        Field(
            "shifts",
            Choice(("optional", "required")),
            "Whether its tills record nothing without somebody who has signed on.",
            default="optional",
        ),
        Field(
            "time_zone",
            Text(64, pattern="[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*"),
            "Its IANA time zone, for the days of reports.",
            default="UTC",
        ),
    ),
    entries=(OWN_ATTRIBUTES,),
    example={
        "id": "S01",
        "name": "Market Street",
        "address": "12 Market Street\nNorwich",
        "kind": "store",
        "negative_stock": "warn",
        "time_zone": "Europe/London",
    },
    filters=("kind",),
)

SUPPLIERS: Final = Collection(
    name="suppliers",
    one="supplier",
    model="Supplier",
    meaning="Who delivers goods.",
    identity=(),
    place=Place.CATALOGUE,
    writers=Writers.CREATED_BY_STORES,
    fields=(
        Field("name", Text(), "What people call it.", required=True),
        Field(
            "contact_info",
            Text(NOTE_CHARS_MAX, lines=True),
            "How to reach them: people, telephone, e-mail.",
        ),
    ),
    entries=(OWN_ATTRIBUTES,),
    example={"name": "Lakeside Wholesale", "contact_info": "orders@lakeside.example"},
)

LOTS: Final = Collection(
    name="lots",
    one="lot",
    model="LotDocument",
    meaning="Goods of one SKU that were made together. Stock without a lot has no document.",
    identity=("sku", "code"),
    place=Place.CATALOGUE,
    writers=Writers.CREATED_BY_STORES,
    fields=(
        Field("sku", Code("skus"), "Of which SKU.", set=Set.AT_CREATION, required=True),
        Field("code", Code(), "What is printed on it.", set=Set.AT_CREATION, required=True),
        Field("expiry", Day(), "The last day on which it may be used.", rule=Rule.EARLIEST),
        Field(
            "status",
            Choice(("ok", "on_hold", "quarantined", "recalled")),
            "Whether it may be used.",
            default="ok",
        ),
        Field("note", Text(NOTE_CHARS_MAX, lines=True), "Why it is held or recalled."),
    ),
    entries=(
        Entries(
            "acknowledged",
            Code("locations"),
            Record(
                (
                    Part("by", Text(), "Whose token it was.", required=True),
                    Part("at", Instant(), "When, by the clock there.", required=True),
                    Part("recall", Instant(), "The recall that was seen.", required=True),
                    Part("set_aside", Whole(0, DELTA_MAX), "Base units taken off the shelf."),
                )
            ),
            "What each location did about a recall; an answer to an earlier one is none.",
            entries_max=ACKNOWLEDGEMENTS_MAX,
            stores_change=True,
            set=Set.BY_STEPS,
            of_locations=True,
        ),
        OWN_ATTRIBUTES,
    ),
    example={"sku": "PARACETAMOL-500-TAB", "code": "L-2211", "expiry": "2027-06-30"},
    filters=("sku", "status"),
)

DECLARED: Final = (
    "skus",
    "locations",
    "suppliers",
    "lots",
    "levels",
    "alerts",
    "orders",
    "transfers",
    "stocktakes",
)
"""The collections that take attributes."""

ATTRIBUTES: Final = Collection(
    name="attributes",
    one="attribute",
    model="Attribute",
    meaning="A field of the chain's own: what the `attributes` of a collection's documents may hold.",
    identity=("collection", "name"),
    place=Place.CATALOGUE,
    writers=Writers.OFFICE,
    fields=(
        Field(
            "collection",
            Choice(DECLARED),
            "Of which documents.",
            set=Set.AT_CREATION,
            required=True,
        ),
        Field(
            "name", Code(), "Its name in their `attributes`.", set=Set.AT_CREATION, required=True
        ),
        Field(
            "type",
            Choice(("text", "whole_number", "yes_no", "date", "choice")),
            "What it may hold.",
            required=True,
        ),
        Field("description", Text(NOTE_CHARS_MAX, lines=True), "What it is for."),
    ),
    entries=(
        Entries(
            "choices",
            Text(),
            Record((Part("label", Text(), "How screens call it; without one, as it is."),)),
            "The values of the type `choice`.",
            entries_max=ATTRIBUTE_CHOICES_MAX,
        ),
    ),
    example={
        "collection": "skus",
        "name": "storage",
        "type": "choice",
        "choices": {"ambient": {}, "fridge": {"label": "2 to 8 degrees"}},
    },
    filters=("collection",),
)

COLLECTIONS: Final = (SKUS, LOCATIONS, SUPPLIERS, LOTS, ATTRIBUTES)
