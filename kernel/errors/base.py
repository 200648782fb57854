"""What every error has: a public code and status, the facts, and one sentence for a person.

An error carries the facts a person needs to act on it. Its `code` (kebab-case) and `status` are
stable and public; `summary` and `remedy` are message ids, translated and filled at the edge.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class MarketError(Exception):
    """Base of all errors that are answers, not defects."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "market-error"
    summary: ClassVar[str] = "The request can't be carried out."
    remedy: ClassVar[str] = ""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(self.code)

    def __str__(self) -> str:
        return self.sentence()

    def sentence(
        self,
        translate: Any = str,
        *,
        facts: Mapping[str, Any] | None = None,
        summary: str | None = None,
        remedy: str | None = None,
    ) -> str:
        """Return summary and remedy in one line, through `translate` and filled with the facts.

        `facts`, `summary` and `remedy` stand in for the error's own, where they have to read
        otherwise.
        """
        known = _Facts(self.facts if facts is None else facts)
        parts = [
            translate(part) for part in (summary or self.summary, remedy or self.remedy) if part
        ]
        return " ".join(part.format_map(known) for part in parts)


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"
