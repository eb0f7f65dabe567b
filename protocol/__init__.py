"""What node and hub agree on: operations, merge rules, wire format and session.

Pure: nothing here opens a file or a socket, reads a clock, draws a random number or knows asyncio.
Time and randomness come in as arguments, so every rule can be tested exhaustively and replayed.
"""
