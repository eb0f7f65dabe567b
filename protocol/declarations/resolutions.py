"""What people say of what they had to look at. What there is to look at follows from what is shown; this does not.

Invariant: the id of a document is that of what it is about (`protocol.findings.Finding.id`), so two who say something of one
thing, apart, write one document; each of them adds an entry of their own, which nobody changes.
"""

from typing import Final

from protocol.declarations.kinds import Choice, Code, Flag, Instant, Part, Record, Text
from protocol.declarations.vocabulary import Collection, Entries, Field, Place, Set, Writers
from protocol.findings.finding import Code as FindingCode
from protocol.limits import (
    BARCODE_CHARS_MAX,
    DOCUMENT_ID_CHARS_MAX,
    NOTE_CHARS_MAX,
    RESOLUTIONS_MAX,
)

RESOLUTIONS: Final = Collection(
    name="resolutions",
    one="resolution",
    model="Resolution",
    meaning="What people said became of an exception, under its id: who, when, and of what. Written by "
    "`POST /v1/exceptions/{id}/resolve`, and kept whatever becomes of the exception.",
    identity=(),
    place=Place.LOCATION_OR_CATALOGUE,
    writers=Writers.OF_ITS_LOCATIONS,
    fields=(
        Field(
            "code",
            Choice(tuple(FindingCode)),
            "What kind of exception.",
            set=Set.AT_CREATION,
        ),
        Field(
            "matter",
            Text(BARCODE_CHARS_MAX),
            "What of it, where there may be several: of a difference its matter, else a barcode.",
            set=Set.AT_CREATION,
        ),
        Field("location", Code("locations"), "Where; null for the chain.", set=Set.AT_CREATION),
        Field(
            "other_location",
            Code("locations"),
            "The other end of a transfer or of an internal order.",
            set=Set.AT_CREATION,
        ),
        Field("sku", Code("skus"), "Of what.", set=Set.AT_CREATION),
        Field("lot", Code(), "Which lot.", set=Set.AT_CREATION),
        Field("collection", Text(), "Of the document that it is about.", set=Set.AT_CREATION),
        Field("document", Text(DOCUMENT_ID_CHARS_MAX), "Its id.", set=Set.AT_CREATION),
        Field("operation", Text(), "The operation, in hexadecimal.", set=Set.AT_CREATION),
    ),
    entries=(
        Entries(
            "said",
            Text(32, pattern="[0-9a-f]{32}"),
            Record(
                (
                    Part("by", Text(), "Whose token it was.", required=True),
                    Part("node", Text(), "The node where.", required=True),
                    Part("at", Instant(), "When, by the clock there.", required=True),
                    Part(
                        "note",
                        Text(NOTE_CHARS_MAX, lines=True),
                        "What became of it.",
                        required=True,
                    ),
                    Part("version", Text(16), "Of which version it was said.", required=True),
                    Part(
                        "sentence",
                        Text(NOTE_CHARS_MAX, lines=True),
                        "What the exception said then.",
                        required=True,
                    ),
                )
            ),
            "What each person said, by the operation that says it.",
            entries_max=RESOLUTIONS_MAX,
            set=Set.BY_STEPS,
        ),
        Entries(
            "over",
            Text(32, pattern="[0-9a-f]{32}"),
            Flag(),
            "Which of it is over, since what it was said of was mended: when that is so again, it is open again.",
            entries_max=RESOLUTIONS_MAX,
            set=Set.BY_STEPS,
        ),
    ),
    example={"code": "below_zero", "location": "S01", "sku": "PARACETAMOL-500-TAB"},
    locations=("location", "other_location"),
    filters=("code", "location", "sku"),
    by_acts_alone=True,
)

COLLECTIONS: Final = (RESOLUTIONS,)
