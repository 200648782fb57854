"""A file that a page took in: what became of it, and its rows that could not be taken."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class FileReject:
    """A fault of a row that can't be taken: where it stands, what is wrong, and the way out."""

    row: int
    field: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FileTaken:
    """What became of a file; `rejects` are the first of the `rejected` rows.

    Of a file that is taken whole nothing is kept while there are any. `error`: why it could not be
    read at all.
    """

    name: str
    received: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    rejects: Sequence[FileReject] = ()
    error: str = ""
