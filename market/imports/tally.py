"""What became of a file: counts that add up, and the rows that were not taken, for people to mend.

received = accepted + duplicates + conflicts + quarantined (usage) or rejected (master data); rows
that the map leaves outside are counted apart, since nobody meant to import them.
"""

import csv
import secrets
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copymode
from types import TracebackType
from typing import Any, TextIO

from kernel.errors import MarketError, OverwritesInput, UnwritableFile
from kernel.web.exports import FORMULA_STARTS
from market.imports.reading import Record

SHOWN_ROWS = 20
REJECT_COLUMNS = ("row", "field", "code", "reason")


@dataclass(slots=True)
class Tally:
    """The summary of one import; `as_json` is what `--json` prints.

    `documents`: the numbers of what the rows became part of; `warnings`: what stands against them.
    """

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
    documents: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

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
        elif self.documents:
            found["documents"] = self.documents
        if self.warnings:
            found["warnings"] = self.warnings
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
        if self.documents and not self.dry_run:
            lines.append(f"part of      {', '.join(self.documents)}")
        return lines


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not taken: where it stands, and why.

    `others`: what else is wrong with it, by field.
    """

    record: Record
    field: str
    code: str
    reason: str
    error: MarketError | None = None
    others: tuple[tuple[str, MarketError], ...] = ()

    @classmethod
    def of(cls, record: Record, error: MarketError, *, field: str) -> "Reject":
        return cls(record, field, error.code, str(error), error)

    def line(self) -> str:
        place = f"row {self.record.row}" + (f", {self.field}" if self.field else "")
        return f"{place}: {self.all_reasons}"

    @property
    def all_reasons(self) -> str:
        """What is wrong with the field, then what else is with the row."""
        return self.reason + "".join(f" {name}: {error}" for name, error in self.others)


class Rejects(AbstractContextManager["Rejects"]):
    """Gathers what was not taken: the first rows for the terminal, all of them for `--rejects`.

    The file has the original columns, so that it can be mended and imported, and ours beside them;
    a name that the original has already is prefixed. It is written as UTF-8 with a byte order mark,
    which spreadsheets need; a text that they would run as a formula gets the mark of a text, which
    is taken off when it is read. It is written beside its place and put there in the end, so that
    an earlier one is lost only to a whole one. None of the `inputs` may be overwritten by it.
    """

    def __init__(self, path: Path | None, *, inputs: Sequence[Path] = ()) -> None:
        self.count = 0
        self.first: list[Reject] = []
        self._path = path
        self._inputs = inputs
        self._beside: Path | None = None
        self._file: TextIO | None = None
        self._writer: Any = None
        self._columns: list[str] | None = None

    def __enter__(self) -> "Rejects":
        if self._path is not None:
            try:
                self._file = self._open(self._path)
            except OSError as error:
                raise UnwritableFile(file=self._path, reason=error.strerror) from error
            self._writer = csv.writer(self._file)
        return self

    def _open(self, path: Path) -> TextIO:
        path = path.resolve()
        if any(_is_same(path, one) for one in self._inputs):
            raise OverwritesInput(file=self._path)
        if path.exists() and not path.is_file():  # such as /dev/stdout: nothing may take its place
            return path.open("w", encoding="utf-8-sig", newline="")
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        file = beside.open("x", encoding="utf-8-sig", newline="")
        if path.exists():
            copymode(path, beside)
        self._path, self._beside = path, beside
        return file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is None:
            return
        self._file.close()
        if self._beside is None or self._path is None:
            return
        if error is not None and not self.count:  # it failed over something else than rows
            self._beside.unlink()
            return
        try:
            self._beside.replace(self._path)
        except OSError as failure:
            raise UnwritableFile(file=self._path, reason=failure.strerror) from failure

    def expect(self, columns: Iterable[str] | None) -> None:
        """Write the header row; without columns, those of the first reject are taken."""
        if columns is None or self._columns is not None:
            return
        self._columns = list(columns)
        if self._writer is not None:
            own = (self._own(name) for name in REJECT_COLUMNS)
            self._write([*self._columns, *own])

    def add(self, reject: Reject) -> None:
        self.count += 1
        if len(self.first) < SHOWN_ROWS:
            self.first.append(reject)
        if self._writer is not None:
            self.expect(reject.record.values)
            values = reject.record.values
            own = [str(reject.record.row), reject.field, reject.code, reject.all_reasons]
            self._write([*(values.get(name, "") for name in self._columns or ()), *own])

    def _write(self, cells: Iterable[str]) -> None:
        self._writer.writerow(
            [f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell for cell in cells]
        )

    def _own(self, name: str) -> str:
        while name in (self._columns or ()):
            name = "reject_" + name
        return name


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # one of the two is not there
        return path == other.resolve()
