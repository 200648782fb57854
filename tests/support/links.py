"""Links: whoever follows those that their own pages show them is never refused, nor gets lost."""

import re
from collections import deque
from html import unescape

from litestar import Litestar
from litestar.testing import TestClient

HREF = re.compile(r'<a [^>]*href="(/[^"#]*)')
VARIABLE = re.compile(r"/[^/?]*\d[^/?]*")
"""A part of an address that names something: by an id, a code, a month, a number."""


def dead_links(client: TestClient[Litestar], *, start: str) -> dict[str, int]:
    """Follow links from a page on; return those that don't lead on, with their status.

    Of addresses that differ only in what they name, and in their queries, one is followed.
    """
    dead: dict[str, int] = {}
    seen: set[str] = set()
    waiting = deque([start])
    while waiting:
        address = waiting.popleft()
        shape = VARIABLE.sub("/#", address.partition("?")[0])
        if shape in seen:
            continue
        seen.add(shape)
        answer = client.get(address)
        if answer.status_code != 200:
            dead[address] = answer.status_code
        elif answer.headers["content-type"].startswith("text/html"):
            waiting.extend(unescape(found) for found in HREF.findall(answer.text))
    assert len(seen) > 1, f"{start} leads nowhere"
    return dead
