"""Every cap of the protocol and the domain, in one place.

Invariant: whatever arrives from a peer or a caller is checked against a cap of this module before it costs
memory or is recorded. A cap that follows from another is asserted below, with the reason.
"""

from typing import Final

# --- codes and texts -------------------------------------------------------------------------------------------
CODE_CHARS_MAX: Final = 64
"""SKU, location and lot codes."""
NAME_CHARS_MAX: Final = 100
"""Names of nodes, tills and people, of kinds, collections and fields."""
IDEMPOTENCY_KEY_CHARS_MAX: Final = 200
REFERENCE_CHARS_MAX: Final = 200
REASON_CHARS_MAX: Final = 200
NOTE_CHARS_MAX: Final = 2_000
DOCUMENT_ID_CHARS_MAX: Final = 200
"""A lot is named by (sku, code) and a level by (location, sku): two codes and what joins them must fit."""
DOCUMENT_NUMBER_CHARS_MAX: Final = 80
"""A location's code, a count and what tells it from other nodes' counts."""
SCOPE_CHARS_MAX: Final = 80

# --- quantities ------------------------------------------------------------------------------------------------
DELTA_MAX: Final = 10**9
"""Largest change of one line, in base units, either sign."""
TOTAL_MAX: Final = 2**53 - 1
"""Largest total in base units: the largest integer that JavaScript and every JSON parser read exactly."""
RANK_MAX: Final = 2**31
"""Largest rank of a field that joins by rank."""
TIME_MS_MAX: Final = 253_402_300_799_999
"""Last millisecond of the year 9999: every instant can be written in RFC 3339."""
INT_MAX: Final = 2**63 - 1
"""Largest integer on the wire: what SQLite, PostgreSQL and every language hold."""

# --- operations ------------------------------------------------------------------------------------------------
LINES_MAX: Final = 1_000
"""Lines of one movement."""
EFFECTS_MAX: Final = 4_000
"""Effects of one operation: a transfer line has up to four."""
DETAILS_BYTES_MAX: Final = 8 * 1024
"""What a caller may add to a movement in a form of its own."""
OPERATION_DETAILS_BYTES_MAX: Final = 128 * 1024
"""All that an operation says beside its effects: a caller's details, reason and note, and what each line says."""
FIELD_VALUE_BYTES_MAX: Final = 16 * 1024
FIELDS_PER_DOCUMENT_MAX: Final = 1_000
SCOPES_PER_DOCUMENT_MAX: Final = 16
DOCUMENT_BYTES_MAX: Final = 192 * 1024
"""A document's fields and scopes, packed: a row must fit one page, however many edits it grew by."""
DOCUMENT_LINES_MAX: Final = 300
"""Lines of one order or transfer: its fields must also hold what becomes of each, a receipt and an entry or two."""
COUNT_ROUNDS_MAX: Final = 9
"""Times that one line of a stocktake may be counted."""
DOCUMENT_EVENT_ITEMS_MAX: Final = 500
"""Items (line and lot) of one event of goods: with two legs of two postings each they stay below `EFFECTS_MAX`."""
OPERATION_BYTES_MAX: Final = 200 * 1024
"""One operation must fit a frame with room for the frame's own keys."""
REMEMBERED_ANSWER_DAYS: Final = 400
RETAINED_DAYS: Final = 30
"""How long an operation that is in a verified backup of the hub stays in its node's log."""
RETAINED_DAYS_MIN: Final = 7
"""A hub put back to the backup before its last one must find in the logs what happened since."""
RETAINED_DAYS_WITHOUT_BACKUP: Final = 400
RETAINED_DAYS_WITHOUT_BACKUP_MIN: Final = 90
RETAINED_DAYS_MAX: Final = 3_650
BACKUP_LATE_DAYS: Final = 8
"""A weekly backup and the one before it: what is in none after this long is told at the shop."""
STAMP_AHEAD_MS_MAX: Final = 10 * 60 * 1000
"""How far a field's stamp may run ahead of the hub's clock; a node set to 2099 must not win for ever."""

# --- frames ----------------------------------------------------------------------------------------------------
FRAME_BYTES_BEFORE_AUTHENTICATION_MAX: Final = 4 * 1024
UNPROVEN_BYTES_MAX: Final = 16 * 1024
"""All that a connection may send before its proof: a first frame too large is still answered, a flood is not."""
FRAME_BYTES_MAX: Final = 256 * 1024
"""Also what a compressed frame may expand to: only frames that would fit uncompressed are compressed."""
COMPRESS_ABOVE_BYTES: Final = 1024
DEPTH_MAX: Final = 8
"""Nesting of any value in a frame or in details."""
ITEMS_MAX: Final = 8_000
"""Entries of one array or map in a frame. 256 KiB of maps of maps, the worst that fits, take 22 MB once read."""
BATCH_OPERATIONS_MAX: Final = 500
BATCH_BYTES_MAX: Final = 240 * 1024
BATCHES_IN_FLIGHT_MAX: Final = 4
PAGE_ROWS_MAX: Final = 1_000
PAGE_BYTES_MAX: Final = 200 * 1024
"""Rows of a page before its frame's own keys and `inside`."""
INSIDE_REPLICAS_MAX: Final = 2_000
"""Replicas that have written in one scope: 24 bytes each, so `inside` takes at most 48 KiB of a frame."""
CLAIM_IDS_MAX: Final = 8_000
DIGEST_SCOPES_MAX: Final = 200
"""Scopes whose digests are asked for in one question: names of 80 characters of four bytes take 64 KiB."""
STATUS_ENTRIES_MAX: Final = 100
STATUS_CODE_CHARS_MAX: Final = 100
DETAIL_CHARS_MAX: Final = 500
"""The sentence for a person in CLOSE and STATUS."""
RETRY_MS_MAX: Final = 24 * 3600 * 1000
FEATURES_MAX: Final = 100
PARTS_MAX: Final = 32
"""Parts of an operation's or a row's array, with what newer versions add."""
SCOPES_MAX: Final = 2_000
"""Scopes of one node: a page of cursors must fit the HELLO frame."""
LOCATIONS_PER_NODE_MAX: Final = 500

# --- sealed details --------------------------------------------------------------------------------------------
SEALED_PADDING_BYTES: Final = 128
"""What is sealed is a multiple of so many bytes: its length tells little."""
SEALED_BYTES_MAX: Final = 9 * 1024
"""What `DETAILS_BYTES_MAX` become when they are padded and sealed."""
WRAPS_MAX: Final = 16
"""Keys that may open one record: those of the nodes of its location, and the chain's recovery key."""
RECORD_KEYS_PER_FRAME_MAX: Final = 60
LETTER_CHARS_MAX: Final = 1_500
"""Of a message: four bytes each, with the keys of its readers and a large certificate, fit a document's field."""
LETTER_READERS_MAX: Final = 20
"""Receipts of one message, each with a certificate, fit its document."""
SEALING_KEY_BYTES_MAX: Final = 200
"""A node's signed word of its key takes 142; a newer version may add to it."""

# --- collections ------------------------------------------------------------------------------------------------
BARCODE_CHARS_MAX: Final = 80
"""A GS1-128 symbol holds at most 48; QR codes of suppliers hold more."""
SCAN_CHARS_MAX: Final = 4_000
"""What is looked at of one scan: the largest GS1 DataMatrix holds 3,116 digits."""
SKU_NAME_CHARS_MAX: Final = 300
"""The longest of 20,747 packages of medicines on sale in one country has 255."""
STRENGTH_CHARS_MAX: Final = 3_000
"""The longest of those has 2,422: an infusion of thirty substances."""
PACKS_MAX: Final = 50
BARCODES_MAX: Final = 200
"""Of one SKU, over all its suppliers and years."""
LINE_PACKS_MAX: Final = 1_000_000
"""Packs that one line of a movement names."""
BARCODE_SKUS_MAX: Final = 20
"""SKUs that a scan offers; a barcode is on two when somebody erred, on more when a number stands for a whole shelf."""
ATTRIBUTES_PER_DOCUMENT_MAX: Final = 100
ATTRIBUTE_CHARS_MAX: Final = 500
ATTRIBUTE_CHOICES_MAX: Final = 100
ACKNOWLEDGEMENTS_MAX: Final = 800
"""Locations that answer the recall of one lot, beside its attributes: as many as a document has room for."""
LOTS_COMPARED_MAX: Final = 1_000
"""Lots of a SKU that a received one is compared with, of those on shelves and of those described: a millisecond and a half."""
DOCUMENTS_EXAMINED_MAX: Final = 1_000
"""Documents the node reads for one page of a list, however few of them are asked for."""

# --- exceptions ------------------------------------------------------------------------------------------------
RESOLUTIONS_MAX: Final = 50
"""What people say of one exception, in all its versions: 50 of the longest notes are 100,000 characters of one document."""

# --- audit -----------------------------------------------------------------------------------------------------
NOTE_PAYLOAD_BYTES_MAX: Final = 8 * 1024
"""What a note says beside who, when and about what: notes are kept for ever."""
NOTES_UNPROVEN_PER_HOUR_MAX: Final = 60
"""Of one action that anybody can bring about, such as a refused sign-in: the first of them tell what happens, and a flood
must not fill the log. How many were left out is in the first of a later hour."""
AUDIT_EXAMINED_MAX: Final = 2_000
"""Operations that are looked at for one page of an audit, however few of them are asked for: a tenth of a second."""
AUDIT_LINES_MAX: Final = 50
"""Changes of stock, and fields, that a record of the audit shows; its operation has all."""
AUDIT_PAYLOAD_BYTES_MAX: Final = 16 * 1024
"""What a record shows beside who, what and when; of a larger one only its size."""
CHECKPOINT_BYTES_MAX: Final = 400
"""A signed checkpoint takes 245 at most, a head 177; a newer version may add to it."""
CHECKPOINTS_PER_FRAME_MAX: Final = 500
CHECKPOINT_EVERY_S: Final = 600.0
"""How often the hub signs its history, where it has changed, and a node asks for that and signs its own."""

# --- session ---------------------------------------------------------------------------------------------------
HANDSHAKE_S_MAX: Final = 15.0
HEARTBEAT_S: Final = 25.0
"""WebSocket ping interval; a peer that misses two is gone."""
CLOCK_EXCHANGE_S: Final = 60.0
RETRY_FIRST_S: Final = 1.0
RETRY_LAST_S: Final = 60.0
"""Full jitter: U(0, min(RETRY_LAST_S, RETRY_FIRST_S · 2^n)), never below what the hub asked for."""
STEADY_AFTER_S: Final = 30.0
"""A session this old resets the retry count."""
SUPERSEDED_RETRY_MS: Final = 60_000

# --- repair ----------------------------------------------------------------------------------------------------
DIGEST_CHECK_S: Final = 600.0
DIGEST_CHECK_ROWS: Final = 10_000
"""A node compares its digests with the hub's when a session has caught up, then after so long or so many rows."""
REPAIR_PAUSE_S: Final = 3600.0
"""Between two repairs of one scope: a fault in a digest itself looks like damage, and must not end in reading for ever."""
REPAIR_ROWS_MAX: Final = 20_000
"""Rows of the buckets that differ; for more the whole scope is read again, which holds no row back in memory."""
LEDGER_EXAMINED_MAX: Final = 2_000
"""Operations the hub looks at for one page of history: 10 ms of a reader, however few of them are asked for."""
FLIPS_MAX: Final = 3
FLIPS_WITHIN_S: Final = 600.0
"""So many times a superseded process came back, and the log goes on as two: hello row 13."""

# --- enrolment -------------------------------------------------------------------------------------------------
CODE_EXPIRES_S_DEFAULT: Final = 24 * 3600
ENROLMENT_BYTES_MAX: Final = 4 * 1024
CERTIFICATE_BYTES_MAX: Final = 3_500
"""It travels before authentication: room for about 300 ordinary location codes."""
DEPARTURE_BYTES_MAX: Final = 200
"""A signed departure takes 124, and 66 more for what the machine held; a newer hub may add to it."""
DEPARTURE_PLACES_MAX: Final = 16
"""Locations that a revocation names one by one; of a machine that held more it counts as if it had held every one's."""
DEPARTURES_PER_FRAME_MAX: Final = 1_000
DEPARTURES_MAX: Final = 20_000
"""Devices that were ever revoked or retired: twenty years of a chain of a thousand shops. All are on every node."""

# --- HTTP ------------------------------------------------------------------------------------------------------
BODY_BYTES_MAX: Final = 1024 * 1024
BATCH_MOVEMENTS_MAX: Final = 1_000
BATCH_LINES_MAX: Final = 10_000
"""Of all movements of a batch together: they are one transaction, and 35,000 lines kept every other till waiting 1.4 s."""
BATCH_DOCUMENTS_MAX: Final = 1_000
LIST_LIMIT_DEFAULT: Final = 100
LIST_LIMIT_MAX: Final = 1_000
CURSOR_CHARS_MAX: Final = 1_000
"""Two codes of 64 characters at 4 bytes each, in base 64, and room."""
SUGGESTED_SKUS_MAX: Final = 5_000
"""SKUs with a level at a location that are looked at for what to order: about a second of a reader."""
USED_MOVEMENTS_MAX: Final = 50_000
"""Sales from which usage is read: two years of a small shop, a month of a large one, about a second of a reader."""
ORDERS_DRAFTED_MAX: Final = 20
"""Orders drafted by one call, in one transaction of the writer: tills wait for it."""

# --- reports ---------------------------------------------------------------------------------------------------
REPORT_EXAMINED_MAX: Final = 5_000
"""Things that a report looks at for one piece of it, however few of them are asked for: a fraction of a second."""
REPORT_COUNTERS_MAX: Final = 500_000
"""Counters that are added up for totals or groups, in a few seconds of a reader; beyond, for one location at a time."""
REPORT_LOTS_MAX: Final = 50_000
"""Lots that expire within the days asked for: a few seconds of a reader, a few dozen MiB."""
REPORT_NAMES_MAX: Final = 100
"""Names that a note tells of; its count says of how many."""
REPORT_TABLE_ROWS_MAX: Final = 200_000
"""Lines of one CSV: ten shops of 20,000 SKUs. For more it is asked for by location, or in pages."""
REPORT_TABLE_BYTES_MAX: Final = 48 * 1024 * 1024
"""The same in bytes; a table is made in memory, one at a time."""
REPORT_MOVEMENTS_MAX: Final = 200_000
"""Movements that a report walks back over from what is shown now: two or three seconds of a reader, and none of the writer."""
REPORT_CHECKED_MOVEMENTS_MAX: Final = 20_000
"""Up to so many, the stock of an earlier instant is checked against all that are held: a third of a second more."""
REPORT_PAPERS_MAX: Final = 5_000
"""Transfers or stocktakes that a report reads: a few seconds of a reader; for more it is asked for one location."""
REPORTS_WAITING_MAX: Final = 16
"""Reports that wait for their turn; more are told to come back."""
DAY_MOVEMENTS_MAX: Final = 50_000
"""Movements of one day that its report is made of: a busy day of a large shop ten times over, about a second of a reader."""
DAYS_COUNTED_MAX: Final = 31
"""Days that one page of their list counts."""
REGISTER_MOVEMENTS_MAX: Final = 20_000
"""The newest movements of a controlled SKU that its register lists: 50 a day for more than a year."""
RECEIPT_DIGITS_MAX: Final = 12
"""At the end of a reference; a GTIN has 13 or 14, an id more."""
RECEIPT_STEP_MAX: Final = 1_000
"""Receipts in a row that may be missing; after a larger step a till counts anew."""
RECEIPT_LOOK_BACK: Final = 50
"""Receipts that may be missing between the end of one day and the beginning of another."""
RECEIPTS_MISSING_MAX: Final = 20_000
"""Numbers of one day that are looked at as missing; with more of them, its references are no receipts' numbers."""

# --- alerts ----------------------------------------------------------------------------------------------------
ALERT_EXPIRING_DAYS: Final = 90
"""How long before its last day a lot is told of, unless the operator says otherwise."""
ALERT_RULES_MAX: Final = 10_000
"""Rules that one node looks at, in memory; the first ones by id."""
WEBHOOKS_MAX: Final = 20
MAIL_RECIPIENTS_MAX: Final = 50
MAIL_ALERTS_MAX: Final = 100
"""Told in one mail: a delivery that leaves a thousand shelves low is ten mails, not a thousand."""
DELIVERIES_WAITING_MAX: Final = 10_000
"""For one receiver: a few MiB. Beyond it the oldest is given up."""
DELIVERIES_GIVEN_UP_MAX: Final = 1_000
DELIVERY_ATTEMPTS_MAX: Final = 60
"""About a week, most of them at the longest wait: a shop's line may be down for days."""
DELIVERY_RETRY_FIRST_S: Final = 5.0
DELIVERY_RETRY_LAST_S: Final = 6 * 3600.0
"""Full jitter: U(0, min(DELIVERY_RETRY_LAST_S, DELIVERY_RETRY_FIRST_S * 2^n))."""
DELIVERY_S_MAX: Final = 15.0
"""One attempt, from looking up the name to the answer's status."""

# --- people ----------------------------------------------------------------------------------------------------
USERNAME_CHARS_MAX: Final = 64
EMAIL_CHARS_MAX: Final = 254
"""The longest address that mail can be sent to (RFC 5321)."""
VERIFIER_CHARS_MAX: Final = 200
"""Of an argon2id string with 16 bytes of salt and 32 of hash: 97 characters, and room for larger parameters."""
DIGEST_CHARS: Final = 64
PASSWORD_CHARS_MIN: Final = 8
PASSWORD_CHARS_MAX: Final = 256
"""All of them count: none is cut off."""
PIN_DIGITS_MIN: Final = 4
PIN_DIGITS_MAX: Final = 12
HASHES_WAITING_MAX: Final = 16
"""Passwords that wait to be looked at; each takes 20 MiB for some 40 ms, so the last waits a third of a second."""
SESSIONS_PER_PERSON_MAX: Final = 20
"""Screens somebody has signed in at; the oldest gives way."""
SESSION_S_MAX: Final = 12 * 3600.0
"""A working day: also how long a cut-off shop goes on trusting whoever was disabled elsewhere meanwhile."""
SHIFT_S_MAX: Final = 12 * 3600.0
WITNESS_S_MAX: Final = 120.0
"""From the PIN to the sale that its owner sees."""
WITNESSES_MAX: Final = 1_000
SIGN_IN_FAILURES_MAX: Final = 5
"""Wrong passwords, PINs or badges for one name, known or not, before it is locked for a while."""
SIGN_IN_LOCK_S: Final = 300.0
SIGN_IN_NAMES_MAX: Final = 10_000
"""Names whose failures are remembered; beyond it those with the fewest are forgotten first."""
UNGRANTED_ACCOUNTS_MAX: Final = 100
"""Accounts at one location that nobody has granted anything: whoever has no token can make them."""
OFFLINE_TRUST_S_MAX: Final = 7 * 24 * 3600.0
"""How long after the last word of the hub a manager, and whoever is above, may sign in: a stolen shop must not keep them."""

# --- live ------------------------------------------------------------------------------------------------------
LIVE_HISTORY_CHANGES_MAX: Final = 20_000
"""Transactions that a stream can resume over; about a quarter of an hour of a shop's busiest, a day of a usual one's."""
LIVE_HISTORY_BYTES_MAX: Final = 16 * 1024 * 1024
"""Pages of the feed name every row they changed: a first download of a million rows must not be kept twice."""
LIVE_STREAMS_MAX: Final = 256
LIVE_STREAMS_PER_CALLER_MAX: Final = 32
"""A till's screens, and those a dead line has left behind for a moment."""
LIVE_PENDING_MAX: Final = 4_096
"""Changed rows that wait for one reader; beyond it the reader goes on from the database, at its own pace."""
LIVE_PENDING_BYTES_MAX: Final = 4 * 1024 * 1024
"""The same for what they weigh: a row has 200 bytes, a movement of a thousand lines may have half a million."""
LIVE_WRITE_S_MAX: Final = 10.0
"""A reader that takes nothing for so long is cut; it resumes by the last id it has."""
LIVE_HEARTBEAT_S: Final = 15.0
LIVE_RETRY_MS: Final = 1_000
LIVE_MESSAGE_BYTES_MAX: Final = 1_024
"""Nothing is expected from whoever listens."""

assert DOCUMENT_EVENT_ITEMS_MAX * 2 * 2 + 100 <= EFFECTS_MAX, "a receipt with damaged goods fits"
assert BATCH_BYTES_MAX + 4 * 1024 <= FRAME_BYTES_MAX, "a full batch and its keys fit one frame"
assert DETAILS_BYTES_MAX + 20 * LINES_MAX < OPERATION_DETAILS_BYTES_MAX < OPERATION_BYTES_MAX, (
    "what was counted on each of the most lines fits beside a caller's own details"
)
assert OPERATION_BYTES_MAX <= BATCH_BYTES_MAX, "every operation fits some batch"
assert PAGE_BYTES_MAX + INSIDE_REPLICAS_MAX * 27 <= FRAME_BYTES_MAX, (
    "a full page and its `inside` fit one frame"
)
assert DOCUMENT_BYTES_MAX + 4 * (NAME_CHARS_MAX + DOCUMENT_ID_CHARS_MAX) + 64 <= PAGE_BYTES_MAX, (
    "every row fits some page"
)
assert (
    STATUS_ENTRIES_MAX * (4 * (STATUS_CODE_CHARS_MAX + DETAIL_CHARS_MAX) + 20) <= FRAME_BYTES_MAX
), "a full status fits one frame, four bytes a character"
assert CLAIM_IDS_MAX <= ITEMS_MAX, "a full claim is one array"
assert DEPARTURES_PER_FRAME_MAX * (DEPARTURE_BYTES_MAX + 3) + 64 <= FRAME_BYTES_MAX, (
    "a full frame of departures fits"
)
assert CHECKPOINTS_PER_FRAME_MAX * (CHECKPOINT_BYTES_MAX + 3) + 1_000 <= FRAME_BYTES_MAX, (
    "a full frame of checkpoints fits"
)
assert DIGEST_SCOPES_MAX * (4 * SCOPE_CHARS_MAX + 40) <= FRAME_BYTES_MAX, (
    "an answer about the most scopes fits one frame"
)
assert BARCODE_CHARS_MAX + len("barcodes/") <= NAME_CHARS_MAX + CODE_CHARS_MAX, (
    "every barcode is a field's name"
)
assert (
    PACKS_MAX + BARCODES_MAX + ATTRIBUTES_PER_DOCUMENT_MAX + DOCUMENT_LINES_MAX
    < FIELDS_PER_DOCUMENT_MAX
), "every entry that a document may have is a field"
assert ACKNOWLEDGEMENTS_MAX + ATTRIBUTES_PER_DOCUMENT_MAX < FIELDS_PER_DOCUMENT_MAX, (
    "every answer to a recall is a field"
)
assert CLAIM_IDS_MAX * 18 <= FRAME_BYTES_MAX, "a full claim fits one frame"
assert LINES_MAX * DELTA_MAX < TOTAL_MAX, "one movement cannot leave the range of totals by itself"
assert CERTIFICATE_BYTES_MAX + 200 <= FRAME_BYTES_BEFORE_AUTHENTICATION_MAX, (
    "it must fit the first frame"
)
assert DETAILS_BYTES_MAX + SEALED_PADDING_BYTES + 64 <= SEALED_BYTES_MAX, (
    "all details can be sealed"
)
assert (
    RECORD_KEYS_PER_FRAME_MAX * (WRAPS_MAX * 140 + 100)
    + WRAPS_MAX * (CERTIFICATE_BYTES_MAX + SEALING_KEY_BYTES_MAX + 20)
    + 1_024
    <= FRAME_BYTES_MAX
), "a full frame of keys fits, with those who seal there"
