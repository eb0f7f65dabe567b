"""Exceptions: one list of what people have to look at, and what they said of it.

    looking      what there is to find in one snapshot: of documents, shelves, operations that were set aside
    listed       the list, kept beside the stock
    watching     the task that follows what changes and keeps the list
    lateness     saying in a stocktake what its counts did not know of
    wording      the sentence of each, and what to do about it
    resolving    a person says what became of one
    ending       what was resolved and then mended is over
    exceptions   what surfaces ask of all this

Invariant: that something is to be looked at follows from what is shown (`protocol.findings`), so each node has its own list,
none is synced, and what is mended leaves it by itself. What a person said is a fact: a document of `resolutions`, under the
id of what it is about. A row counts as resolved while some person said so of the very version that it shows, and it was not mended since.
A node lists what it may know the resolutions of: what is about its own locations, or about the whole chain; an office all.
"""
