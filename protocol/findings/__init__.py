"""What people have to look at: found in what is shown, by functions of that alone.

    finding    what one is, its id and its version
    noticing   the findings of a shelf, a document and an operation that was set aside

Invariant: two nodes that show the same find the same, under the same ids; what is mended is found no more. Nothing here is
stored or synced: only what a person says of a finding is a document, named by the finding's id.
"""
