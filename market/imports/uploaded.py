"""Import of a file that was sent on a page: by the same way as a command's, told on the page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from kernel.errors import MarketError, RowsRejected
from kernel.http.pages import Page
from kernel.http.uploads import INCOMING, Upload
from kernel.i18n import msgid, translate_error
from kernel.unit import Unit
from market.imports.maps import NO_MAP
from market.imports.master import import_master
from market.imports.registry import MASTER_KINDS
from market.imports.tally import Reject, Rejects
from settlement.web.taken_files import FileReject, FileTaken

ROW: Final = msgid("The row can't be read.")
FILE: Final = msgid("{file} can't be read.")
SUMMARIES: Final = {"unreadable-row": ROW, "unreadable-line": ROW, "unreadable-format": FILE}
"""What is wrong, where only a program would say more."""
NO_COLUMNS: Final = frozenset({"empty-file", "missing-columns"})


def take_file(page: Page, upload: Upload, *, kind: str, columns: str) -> FileTaken:
    """Take a file in as a kind of master data; return what became of it.

    `columns`: the sentence that names the columns, for who sent a file without them from a page.
    """
    folder = page.unit.settings.home / INCOMING
    with TemporaryDirectory(dir=folder) as place, Rejects(None) as rejects:
        path = Path(place) / upload.name
        received = accepted = duplicates = 0
        try:
            with path.open("wb") as file:
                shutil.copyfileobj(upload.file, file)
            tally = import_master(
                lambda _: _within(page.unit),
                page.actor,
                MASTER_KINDS[kind],
                path=path,
                field_map=NO_MAP,
                rejects=rejects,
            )
            received, accepted, duplicates = tally.received, tally.accepted, tally.duplicates
        except RowsRejected as error:
            received = int(error.facts["received"])
        except MarketError as error:
            if error.status == 403:
                raise
            remedy = columns if error.code in NO_COLUMNS else None
            told = _told(page, error, remedy=remedy)
            return FileTaken(name=upload.name, error=told)
    return FileTaken(
        name=upload.name,
        received=received,
        accepted=accepted,
        duplicates=duplicates,
        rejected=rejects.count,
        rejects=[fault for one in rejects.first for fault in _faults(page, one)],
    )


def _faults(page: Page, reject: Reject) -> list[FileReject]:
    """Return all that is wrong with a row."""
    wrong = [(reject.field, reject.error), *reject.others]
    return [
        FileReject(
            row=reject.record.row,
            field=field,
            reason=_told(page, error) if error else reject.reason,
        )
        for field, error in wrong
    ]


def _told(page: Page, error: MarketError, *, remedy: str | None = None) -> str:
    summary = SUMMARIES.get(error.code)
    return translate_error(error, page.locale, summary=summary, remedy=remedy)


@contextmanager
def _within(unit: Unit) -> Iterator[Unit]:
    """Yield a unit that is open already; what is raised undoes what was done in the block alone."""
    with unit.session.begin_nested():
        yield unit
