"""SQL kept as text beside the module that runs it.

Rule: a file is blocks, each opened by a line `-- name: append`; names are unique in a file. The
text reaches SQLite as it stands, with named parameters, so no statement is ever put together.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_BLOCK = re.compile(r"^-- name: *(?P<name>\S+)[ \t]*$", re.MULTILINE)


def load_queries(module_file: str, name: str) -> Mapping[str, str]:
    """Read `log.sql` beside `module_file` for the name 'log.sql' or 'log'; call while importing.

    Raises: ValueError if a name is missing, repeated or not a lower-case word, or a block is empty.
    """
    file = Path(module_file).with_name(name).with_suffix(".sql")
    head, *blocks = _BLOCK.split(file.read_text("utf-8"))
    if any(line.strip() and not line.startswith("--") for line in head.splitlines()):
        raise ValueError(f"{file}: SQL before the first '-- name:' line")
    queries: dict[str, str] = {}
    for query, sql in zip(blocks[::2], blocks[1::2], strict=True):
        if query in queries or not query.isidentifier() or not query.islower():
            raise ValueError(f"{file}: the name {query!r} is repeated or not a lower-case word")
        if not any(line.strip() and not line.startswith("--") for line in sql.splitlines()):
            raise ValueError(f"{file}: {query!r} has no SQL")
        queries[query] = sql.strip()
    return MappingProxyType(queries)
