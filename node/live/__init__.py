"""What a node shows, told as it changes, to whoever listens.

Invariant: an event is told after what it tells of is durable; a reader may miss values in between, never the last one;
and no reader, however slow, costs another one anything or more than a bounded memory.

    events      what is told, and the ids that a reader resumes by
    reading     changes and snapshots, read from the database as REST shows them
    stream      one reader: opened, caught up, told, or put back to reading
    tailer      reads each change once and hands it to every stream; counts, ends and cuts streams
"""
