"""Alerts: what a node notices of its stock, and whom it tells.

    settings     whom to tell, and what is looked at
    state        what was raised and cleared, kept beside the stock
    rules        the rules that people made, in memory
    looking      what holds of one SKU at one location, in one snapshot
    following    which SKUs a change of the database is about
    places       which locations are looked at, and whether all of them has to be looked at again
    evaluation   the task that does both, a piece at a time
    outbox       what is still to be delivered, written with what it tells of
    telling      how an alert looks: in lists, to a webhook, in a mail
    gate         to which addresses a webhook may lead
    webhooks     one attempt at a webhook, signed
    mail         one attempt at a mail
    delivery     the tasks that try until it succeeds or has failed for a week
    acknowledging  a person has seen it, here or at another node
    alerts       what surfaces ask of all this

Invariant: what was raised is a number for each subject, in this node's own database, and is never synced: it follows from
what is shown here. That a person has seen it does not, and is a document. What was raised is written in one transaction
with the change that live streams are told and with what is to be delivered; so whatever a crash leaves is told once, and
delivered at least once under one id.
"""
