"""`everstock-node` on asyncio's own loop: `python -m tests.bench.plain_loop serve --data DIR`.

The product has no switch for it: it takes uvloop where there is one. Here there is none.
"""

import sys

sys.modules["uvloop"] = None  # type: ignore[assignment]  # what import takes for "not installed"

from node.__main__ import main  # noqa: E402 - after the line above

if __name__ == "__main__":
    main()
