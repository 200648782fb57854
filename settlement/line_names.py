"""What a funding line is called: by its business key, in the books and for people."""

from collections.abc import Mapping
from typing import Any

import msgspec

Restriction = Mapping[str, Any]


def line_code(payer_code: str, fiscal_year: int, source: str, restriction: Restriction) -> str:
    """Return how a transfer's key names a line, such as `3299010001:2026:surcharge`."""
    code = f"{payer_code}:{fiscal_year}:{source}"
    return f"{code}:{_written(restriction)}" if restriction else code


def line_title(payer_code: str, fiscal_year: int, source: str, restriction: Restriction) -> str:
    """Return how errors and findings call a line."""
    title = f"{payer_code} {fiscal_year} {source}"
    return f"{title} ({_written(restriction)})" if restriction else title


def _written(restriction: Restriction) -> str:
    parts = []
    for name, admitted in sorted(restriction.items()):
        listed = isinstance(admitted, list) and all(isinstance(one, str) for one in admitted)
        shown = (
            "+".join(sorted(admitted))
            if listed
            else msgspec.json.encode(admitted, order="sorted").decode()
        )
        parts.append(f"{name}={shown}")
    return ",".join(parts)
