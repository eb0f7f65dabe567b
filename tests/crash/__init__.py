"""Crash states: what a power cut could leave of a real daemon's disk, and whether the daemon's promises hold there.

A real `everstock-node` or `everstock-hub` works under strace. From the trace come its writes, truncations, syncs,
renames and unlinks, and the moment each answer left it. Any prefix of that is a moment at which the machine may stop;
what was not synced by then may be on the disk, or not, or torn, each sector for itself. Every such folder is opened by
the product's own code and held to what had been answered.

    tracing      a command under strace, and its system calls
    recording    those calls as events on files, and as what left the process
    recorder     runs a command or a daemon on a folder, and makes the recording of it
    streams      answers and frames in the bytes of a socket
    disk         what is certainly on the disk, and what may be
    explore      crash states of a recording, and their verdict
    shops, offices, chains, copies   what daemons and commands are made to do
    nodes, hubs, joins, copies       what must hold in a folder
    repeats      the same, asked of the daemon itself
    campaign     all of it together
    planted      bugs that must be found
    injected     instead of a crash: the disk refuses one call, and nobody is told otherwise

Sources: FAULTS, findings 1 and 7; Pillai et al., "All file systems are not created equal", OSDI 2014.
"""
