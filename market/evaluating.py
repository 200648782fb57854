"""Routes of evaluators' own pages, of one finding, and of a file of findings (R65)."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.errors import MarketError, RowsRejected
from kernel.http.pages import PUBLIC, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.http.uploads import INCOMING, Upload, taken_in
from kernel.i18n import msgid, translate_error
from kernel.unit import Unit
from market.imports.maps import NO_MAP
from market.imports.master import import_master
from market.imports.registry import MASTER_KINDS
from market.imports.tally import Reject, Rejects
from settlement.evaluation.outside import REPLIERS
from settlement.web.findings import (
    FINDING,
    OWN,
    AnswerForm,
    FileReject,
    FileTaken,
    FindingForm,
    post_finding,
    post_reply,
    post_withdrawal,
    show_finding,
    show_own_findings,
)

COLUMNS: Final = msgid("The first row names the columns: kind, key, finding, source, found_on.")
REMEDIES: Final = {"empty-file": COLUMNS, "missing-columns": COLUMNS}
"""What to do on a page, where a command's options are of no use."""
ROW: Final = msgid("The row can't be read.")
FILE: Final = msgid("{file} can't be read.")
SUMMARIES: Final = {"unreadable-row": ROW, "unreadable-line": ROW, "unreadable-format": FILE}
"""What is wrong, where only a program would say more."""
EVALUATORS: Final = only(Role.EVALUATOR)


@get(OWN, opt=EVALUATORS, sync_to_thread=True)
def own_findings(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_own_findings(page)


@post(OWN, opt=EVALUATORS, status_code=200, sync_to_thread=True)
def file_one(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[FindingForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_finding(page, data)


@post(OWN + "/import", opt=EVALUATORS, status_code=200, sync_to_thread=True)
def file_many(request: AnyRequest, pages: Pages) -> Response[Any]:
    """File all findings of a file, or show each row that can't be taken."""
    with taken_in(request) as upload, pages.open(request) as page:
        return show_own_findings(page, taken=take_findings(page, upload))


@get(FINDING + "/{finding_id:uuid}", opt=PUBLIC, sync_to_thread=True)
def finding(request: AnyRequest, pages: Pages, *, finding_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_finding(page, finding_id)


@post(
    FINDING + "/{finding_id:uuid}/reply", opt=only(*REPLIERS), status_code=200, sync_to_thread=True
)
def reply(
    request: AnyRequest,
    pages: Pages,
    *,
    finding_id: FromPath[UUID],
    data: URLEncodedBody[AnswerForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_reply(page, finding_id, data)


@post(
    FINDING + "/{finding_id:uuid}/withdrawal", opt=EVALUATORS, status_code=200, sync_to_thread=True
)
def withdraw(
    request: AnyRequest,
    pages: Pages,
    *,
    finding_id: FromPath[UUID],
    data: URLEncodedBody[AnswerForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_withdrawal(page, finding_id, data)


HANDLERS: tuple[HTTPRouteHandler, ...] = (own_findings, file_one, finding, reply, withdraw)
UPLOADS: tuple[HTTPRouteHandler, ...] = (file_many,)


def take_findings(page: Page, upload: Upload) -> FileTaken:
    """Take a file in, whole or not at all; return what became of it."""
    folder = page.unit.settings.home / INCOMING
    with TemporaryDirectory(dir=folder) as place, Rejects(None) as rejects:
        path = Path(place) / upload.name
        try:
            with path.open("wb") as file:
                shutil.copyfileobj(upload.file, file)
            tally = import_master(
                lambda _: _within(page.unit),
                page.actor,
                MASTER_KINDS["findings"],
                path=path,
                field_map=NO_MAP,
                rejects=rejects,
            )
        except RowsRejected as error:
            return FileTaken(
                name=upload.name,
                received=int(error.facts["received"]),
                rejected=rejects.count,
                rejects=[fault for one in rejects.first for fault in _faults(page, one)],
            )
        except MarketError as error:
            if error.status == 403:
                raise
            return FileTaken(name=upload.name, error=_unreadable(page, error))
    return FileTaken(
        name=upload.name,
        received=tally.received,
        accepted=tally.accepted,
        duplicates=tally.duplicates,
    )


def _faults(page: Page, reject: Reject) -> list[FileReject]:
    """Return all that is wrong with a row."""
    wrong = [(reject.field, reject.error), *reject.others]
    return [
        FileReject(
            row=reject.record.row,
            field=field,
            reason=translate_error(error, page.locale, summary=SUMMARIES.get(error.code))
            if error
            else reject.reason,
        )
        for field, error in wrong
    ]


def _unreadable(page: Page, error: MarketError) -> str:
    """Return why a file can't be read, with a remedy for who sent it from a page."""
    code = error.code
    return translate_error(
        error, page.locale, summary=SUMMARIES.get(code), remedy=REMEDIES.get(code)
    )


@contextmanager
def _within(unit: Unit) -> Iterator[Unit]:
    """Yield a unit that is open already; what is raised undoes what was done in the block alone."""
    with unit.session.begin_nested():
        yield unit
