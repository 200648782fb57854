"""Links: whoever follows those that their own pages show them is never refused, nor gets lost."""

import re
from collections import deque
from html import unescape

from litestar import Litestar
from litestar.testing import TestClient


def dead_links(client: TestClient[Litestar], *, start: str) -> tuple[dict[str, int], int]:
    """Follow links from a page on; return those that don't open, with their status, and how many
    were followed.

    Of addresses that differ only in what they name one is followed.
    """
    dead: dict[str, int] = {}
    waiting, seen = deque([start]), {kind_of(start)}
    opened = 0
    while waiting:
        address = waiting.popleft()
        answer = client.get(address)
        opened += 1
        if answer.status_code != 200:
            dead[address] = answer.status_code
            continue
        for link in sorted(links_of(answer.text)):
            if kind_of(link) not in seen:
                seen.add(kind_of(link))
                waiting.append(link)
    return dead, opened


def links_of(html: str) -> set[str]:
    """Return the addresses that a page leads to, exports left out."""
    found = re.findall(r'<a\b[^>]*?href="(/[^"#]*)', html)
    return {unescape(one) for one in found if "format=" not in one}


def kind_of(address: str) -> str:
    """Return an address without what differs from row to row: codes, numbers, Chinese words."""
    path, _, query = address.partition("?")
    path = re.sub(r"[^/]*[0-9A-Z%][^/]*", "…", path)
    names = sorted(part.partition("=")[0] for part in query.split("&"))
    if path == "/catalog" and len(names) > 1:
        names = ["several"]  # any set of facets: two tell as much as all the others
    return path + "?" + "&".join(names)
