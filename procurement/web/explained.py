"""A computation's lines as one printed text."""

from collections.abc import Iterable


def printed(lines: Iterable[str]) -> str:
    """Join lines, indented wider: two spaces are too narrow beside Chinese characters."""
    return "\n".join(_indent(line) for line in lines)


def _indent(line: str) -> str:
    text = line.lstrip(" ")
    return "\u2003" * ((len(line) - len(text)) // 2) + text
