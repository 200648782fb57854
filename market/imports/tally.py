"""What became of a file: counts that add up, and the rows that were not taken, for people to mend.

received = accepted + duplicates + conflicts + quarantined (usage) or rejected (master data); rows
that the map leaves outside are counted apart, since nobody meant to import them.
"""

import csv
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from kernel.errors import MarketError, UnwritableFile
from market.imports.reading import Record

SHOWN_ROWS = 20
REJECT_COLUMNS = ("row", "field", "code", "reason")


@dataclass(slots=True)
class Tally:
    """The summary of one import; `as_json` is what `--json` prints."""

    received: int = 0
    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    rejected: int | None = None
    quarantined: dict[str, int] = field(default_factory=dict)
    late: int | None = None
    outside: int = 0
    grouped: int | None = None
    dry_run: bool = False

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "received": self.received,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "quarantined": self.quarantined,
            "outside": self.outside,
        }
        for name in ("rejected", "late", "grouped"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name)
        if self.dry_run:
            found["dry_run"] = True
        return found

    def as_lines(self) -> list[str]:
        late = f" (of which late: {self.late})" if self.late else ""
        lines = [
            f"received     {self.received}",
            f"accepted     {self.accepted}{late}",
            f"duplicates   {self.duplicates}",
            f"conflicts    {self.conflicts}",
            f"quarantined  {sum(self.quarantined.values())}",
        ]
        lines += [f"  {reason}: {rows}" for reason, rows in sorted(self.quarantined.items())]
        if self.rejected is not None:
            lines.append(f"rejected     {self.rejected}")
        if self.outside:
            lines.append(f"outside      {self.outside} (left out by the map)")
        if self.grouped is not None:
            lines.append(f"grouped      {self.grouped} rows of the file")
        return lines


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not taken: where it stands, and why."""

    record: Record
    field: str
    code: str
    reason: str

    @classmethod
    def of(cls, record: Record, error: MarketError, *, field: str) -> "Reject":
        return cls(record, field, error.code, str(error))

    def line(self) -> str:
        place = f"row {self.record.row}" + (f", {self.field}" if self.field else "")
        return f"{place}: {self.reason}"


class Rejects(AbstractContextManager["Rejects"]):
    """Gathers what was not taken: the first rows for the terminal, all of them for `--rejects`.

    The file has the original columns, so that it can be mended and imported, and ours beside them;
    a name that the original has already is prefixed. It is written as UTF-8 with a byte order mark,
    which spreadsheets need.
    """

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self.first: list[Reject] = []
        self._path = path
        self._file: TextIO | None = None
        self._writer: Any = None
        self._columns: list[str] | None = None

    def __enter__(self) -> "Rejects":
        if self._path is not None:
            try:
                self._file = self._path.open("w", encoding="utf-8-sig", newline="")
            except OSError as error:
                raise UnwritableFile(file=self._path, reason=error.strerror) from error
            self._writer = csv.writer(self._file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def expect(self, columns: Iterable[str] | None) -> None:
        """Write the header row; without columns, those of the first reject are taken."""
        if columns is None or self._columns is not None:
            return
        self._columns = list(columns)
        if self._writer is not None:
            self._writer.writerow([*self._columns, *(self._own(name) for name in REJECT_COLUMNS)])

    def add(self, reject: Reject) -> None:
        self.count += 1
        if len(self.first) < SHOWN_ROWS:
            self.first.append(reject)
        if self._writer is not None:
            self.expect(reject.record.values)
            values = reject.record.values
            own = [str(reject.record.row), reject.field, reject.code, reject.reason]
            self._writer.writerow([*(values.get(name, "") for name in self._columns or ()), *own])

    def _own(self, name: str) -> str:
        while name in (self._columns or ()):
            name = "reject_" + name
        return name
