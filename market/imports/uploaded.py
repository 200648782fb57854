"""Import of a file that was sent on a page: by the same way as a command's, told on the page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kernel.errors import MarketError, RowsRejected
from kernel.http.pages import Page
from kernel.http.uploads import INCOMING, Upload
from kernel.i18n import translate_error
from kernel.unit import Unit
from market.imports.maps import NO_MAP
from market.imports.master import import_master
from market.imports.registry import MASTER_KINDS
from market.imports.tally import Rejects
from settlement.web.taken_files import FileReject, FileTaken


def take_file(page: Page, upload: Upload, *, kind: str) -> FileTaken:
    """Take a file in as a kind of master data; return what became of it."""
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
            return FileTaken(name=upload.name, error=translate_error(error, page.locale))
    return FileTaken(
        name=upload.name,
        received=received,
        accepted=accepted,
        duplicates=duplicates,
        rejected=rejects.count,
        rejects=[
            FileReject(
                row=one.record.row,
                field=one.field,
                reason=translate_error(one.error, page.locale) if one.error else one.reason,
            )
            for one in rejects.first
        ],
    )


@contextmanager
def _within(unit: Unit) -> Iterator[Unit]:
    """Yield a unit that is open already; what is raised undoes what was done in the block alone."""
    with unit.session.begin_nested():
        yield unit
