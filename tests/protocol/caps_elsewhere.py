"""Caps of `protocol.limits` that belong to another package, with where they are tested."""

from typing import Final

TESTED_ELSEWHERE: Final = {
    # signed statements: test_checkpoint.py; how often: tests/hub/test_checkpoints.py
    "CHECKPOINT_BYTES_MAX",
    "CHECKPOINTS_PER_FRAME_MAX",
    "CHECKPOINT_EVERY_S",
    # what is noted: test_notes.py and tests/node/commands/test_noting.py
    "NOTE_PAYLOAD_BYTES_MAX",
    "NOTES_UNPROVEN_PER_HOUR_MAX",
    # what is sealed: test_sealing.py
    "SEALED_PADDING_BYTES",
    "SEALED_BYTES_MAX",
    # the audit: tests/node/api/test_audit.py
    "AUDIT_EXAMINED_MAX",
    "AUDIT_LINES_MAX",
    "AUDIT_PAYLOAD_BYTES_MAX",
    # messages: tests/node/reunion/test_letters.py
    "LETTER_CHARS_MAX",
    "LETTER_READERS_MAX",
    # what a shop is told to order: tests/node/commands/test_suggesting.py
    "SUGGESTED_SKUS_MAX",
    "USED_MOVEMENTS_MAX",
    "ORDERS_DRAFTED_MAX",
    # the day and the controlled-drug register: test_receipts.py and tests/node/reports
    "DAY_MOVEMENTS_MAX",
    "DAYS_COUNTED_MAX",
    "REGISTER_MOVEMENTS_MAX",
    "RECEIPT_DIGITS_MAX",
    "RECEIPT_STEP_MAX",
    "RECEIPT_LOOK_BACK",
    "RECEIPTS_MISSING_MAX",
    # what people say of one exception: tests/node/api/test_exceptions.py
    "RESOLUTIONS_MAX",
    # people, and how they sign in: tests/node/people and tests/security
    "USERNAME_CHARS_MAX",
    "EMAIL_CHARS_MAX",
    "VERIFIER_CHARS_MAX",
    "DIGEST_CHARS",
    "PASSWORD_CHARS_MIN",
    "PASSWORD_CHARS_MAX",
    "PIN_DIGITS_MIN",
    "PIN_DIGITS_MAX",
    "HASHES_WAITING_MAX",
    "SESSIONS_PER_PERSON_MAX",
    "SESSION_S_MAX",
    "SHIFT_S_MAX",
    "WITNESS_S_MAX",
    "WITNESSES_MAX",
    "SIGN_IN_FAILURES_MAX",
    "SIGN_IN_LOCK_S",
    "SIGN_IN_NAMES_MAX",
    "UNGRANTED_ACCOUNTS_MAX",
    "OFFLINE_TRUST_S_MAX",
    # alerts, and who is told of them: tests/node/alerting
    "ALERT_EXPIRING_DAYS",
    "ALERT_RULES_MAX",
    "WEBHOOKS_MAX",
    "MAIL_RECIPIENTS_MAX",
    "MAIL_ALERTS_MAX",
    "DELIVERIES_WAITING_MAX",
    "DELIVERIES_GIVEN_UP_MAX",
    "DELIVERY_ATTEMPTS_MAX",
    "DELIVERY_RETRY_FIRST_S",
    "DELIVERY_RETRY_LAST_S",
    "DELIVERY_S_MAX",
    # what callers send over HTTP: tests/node
    "IDEMPOTENCY_KEY_CHARS_MAX",
    "REFERENCE_CHARS_MAX",
    "REASON_CHARS_MAX",
    "NOTE_CHARS_MAX",
    "DETAILS_BYTES_MAX",
    "LINES_MAX",
    "REMEMBERED_ANSWER_DAYS",
    # how long a log goes back, and when the office is told: tests/node
    "RETAINED_DAYS",
    "RETAINED_DAYS_MIN",
    "RETAINED_DAYS_MAX",
    "RETAINED_DAYS_WITHOUT_BACKUP",
    "RETAINED_DAYS_WITHOUT_BACKUP_MIN",
    "BACKUP_LATE_DAYS",
    "BODY_BYTES_MAX",
    "BATCH_DOCUMENTS_MAX",
    "DOCUMENT_NUMBER_CHARS_MAX",
    "BARCODE_SKUS_MAX",
    "LINE_PACKS_MAX",
    "SKU_NAME_CHARS_MAX",
    "STRENGTH_CHARS_MAX",
    "BATCH_MOVEMENTS_MAX",
    "BATCH_LINES_MAX",
    "LIST_LIMIT_DEFAULT",
    "CURSOR_CHARS_MAX",
    # documents of declared collections: test_declarations and tests/node
    "BARCODE_CHARS_MAX",
    "PACKS_MAX",
    "BARCODES_MAX",
    "ATTRIBUTES_PER_DOCUMENT_MAX",
    "ATTRIBUTE_CHARS_MAX",
    "ATTRIBUTE_CHOICES_MAX",
    "ACKNOWLEDGEMENTS_MAX",
    "LOTS_COMPARED_MAX",
    "DOCUMENTS_EXAMINED_MAX",
    # orders, transfers, stocktakes: tests/protocol/workflows/test_caps.py; scans: test_barcodes.py
    "DOCUMENT_LINES_MAX",
    "DOCUMENT_EVENT_ITEMS_MAX",
    "COUNT_ROUNDS_MAX",
    "SCAN_CHARS_MAX",
    # totals are folded in the hub's transaction: tests/store
    "TOTAL_MAX",
    # pages are cut by the hub's feed: tests/hub
    "PAGE_BYTES_MAX",
    # enrolment over HTTP: tests/hub
    "ENROLMENT_BYTES_MAX",
    "CODE_EXPIRES_S_DEFAULT",
    # who has proven nothing yet: tests/hardening
    "UNPROVEN_BYTES_MAX",
    # departures: test_departure.py, and the most there can be in tests/store
    "DEPARTURE_BYTES_MAX",
    "DEPARTURE_PLACES_MAX",
    "DEPARTURES_PER_FRAME_MAX",
    "DEPARTURES_MAX",
    # the live stream: tests/node/live and tests/node/api/test_streams.py
    "LIVE_HEARTBEAT_S",
    "LIVE_HISTORY_BYTES_MAX",
    "LIVE_HISTORY_CHANGES_MAX",
    "LIVE_MESSAGE_BYTES_MAX",
    "LIVE_PENDING_BYTES_MAX",
    "LIVE_PENDING_MAX",
    "LIVE_RETRY_MS",
    "LIVE_STREAMS_MAX",
    "LIVE_STREAMS_PER_CALLER_MAX",
    "LIVE_WRITE_S_MAX",
    # what is compared and mended, and how often: tests/node/reunion, tests/store
    "DIGEST_CHECK_ROWS",
    "DIGEST_CHECK_S",
    "FLIPS_MAX",
    "FLIPS_WITHIN_S",
    "LEDGER_EXAMINED_MAX",
    "REPAIR_PAUSE_S",
    "REPAIR_ROWS_MAX",
    # what a report reads and tells: tests/node/reports and tests/node/api/test_reports.py
    "REPORT_CHECKED_MOVEMENTS_MAX",
    "REPORT_COUNTERS_MAX",
    "REPORT_EXAMINED_MAX",
    "REPORT_LOTS_MAX",
    "REPORT_MOVEMENTS_MAX",
    "REPORT_NAMES_MAX",
    "REPORT_PAPERS_MAX",
    "REPORT_TABLE_BYTES_MAX",
    "REPORT_TABLE_ROWS_MAX",
    "REPORTS_WAITING_MAX",
    # timers of the drivers: tests/node and tests/hub
    "HANDSHAKE_S_MAX",
    "HEARTBEAT_S",
    "CLOCK_EXCHANGE_S",
    "RETRY_FIRST_S",
    "RETRY_LAST_S",
    "STEADY_AFTER_S",
    "SUPERSEDED_RETRY_MS",
    # windows and small caps, each in its own test of this package
    "FRAME_BYTES_BEFORE_AUTHENTICATION_MAX",  # test_codec.py, test_sessions.py
    "DEPTH_MAX",  # test_codec.py
    "ITEMS_MAX",  # test_codec.py
    "BATCHES_IN_FLIGHT_MAX",  # test_sessions.py
}
