"""The admission desk on pages: the queue with what orders it, and each case with what may be done.

Whether an act may happen is the services' question; what stands against it is said on the case.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from catalog.admission import claim, decide_admission, judge, propose, release
from catalog.appeals import decide_appeal
from catalog.blind_audit import count_overdue
from catalog.cases import Case, case
from catalog.criteria import Criterion, Finding, Reason
from catalog.desk import QueueRow, Sought, count_queue, queue
from catalog.infringements import decide_notice, give_notice, notices
from catalog.oversight import only_audits
from catalog.reviewers import declare_interest
from catalog.states import AdmissionState
from catalog.submissions import suitability
from catalog.takedowns import Ground, restore, take_down
from catalog.web.cases import shown_case, tried
from kernel.actors import Role
from kernel.clock import parse_day
from kernel.errors import FindingsMissing, InvalidInput, MissingValue, NotFound
from kernel.http.pages import Form, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.http.typed import CHOOSE
from kernel.i18n import LIST_SEPARATOR, label, msgid, translate, translate_error
from kernel.identity.stages import Stage
from kernel.ids import VersionId
from kernel.unit import Unit
from kernel.web.tables import Column, Filter, Table
from market.bureau.places import bureau_root

DESK: Final = "/bureau/admission"
ONE: Final = f"{DESK}/{{version_id:uuid}}"
REVIEWERS: Final = only(Role.ADMISSION)
READERS: Final = only(Role.ADMISSION, Role.AUDITOR)
OUTCOMES: Final = ("upheld", "dismissed")
Texts = str | list[str]


class CaseForm(Form, frozen=True):
    """One act on a case; which fields it needs hangs on `act`.

    `criterion`, `finding` and `evidence` go together, one of each for every criterion.
    """

    act: str = ""
    note: str = ""
    verdict: str = ""
    price_from: str = ""
    ground: str = ""
    conditions: str = ""
    claimant: str = ""
    contact: str = ""
    work: str = ""
    notice: str = ""
    criterion: Texts = ""
    finding: Texts = ""
    evidence: Texts = ""
    reason: Texts = ""
    stage: Texts = ""


@get(DESK, opt=READERS, sync_to_thread=True)
def desk(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_desk(page)


@get(ONE, opt=READERS, sync_to_thread=True)
def one_case(request: AnyRequest, pages: Pages, *, version_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_case(page, version_id)


@post(ONE, opt=REVIEWERS, status_code=200, sync_to_thread=True)
def act_on_case(
    request: AnyRequest,
    pages: Pages,
    *,
    version_id: FromPath[UUID],
    data: URLEncodedBody[CaseForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_act(page, version_id, data)


def show_desk(page: Page) -> Response[Any]:
    """List what waits, the highest points first, with the factors that bring it forward.

    Auditors read what was reviewed.
    """
    audits = only_audits(page.unit)
    columns = _columns(page.locale)
    filters = (
        Filter(
            key="standing",
            title=msgid("Where it stands"),
            options=tuple((AUDITED if audits else STANDINGS).items()),
        ),
        Filter(key="q", title=msgid("Title or vendor")),
    )
    view = page.view(columns, filters=filters)
    sought = Sought(standing=view.filters.get("standing", ""), words=view.filters.get("q", ""))
    count = count_queue(page.unit, sought)
    view = view.within(count)
    table = Table(
        caption=translate(
            msgid("What was reviewed")
            if only_audits(page.unit)
            else msgid("What waits at the desk"),
            page.locale,
        ),
        columns=columns,
        rows=queue(
            page.unit,
            sought,
            sort=view.sort,
            descending=view.descending,
            limit=view.per_page,
            offset=view.offset,
        ),
        view=view,
        count=count,
        filters=filters,
        empty=msgid("No version was reviewed yet.")
        if audits
        else msgid("Nothing waits: every version that was submitted is decided."),
    )
    return page.render_table(
        "bureau/admission.html",
        table,
        file_name="admission",
        root=bureau_root(page),
        audits=audits,
        overdue=0 if audits else count_overdue(page.unit),
    )


def show_case(
    page: Page,
    version_id: UUID,
    *,
    form: CaseForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Show a case with everything that it is judged by, and the forms of what may be done."""
    found, shown = shown_case(page, version_id)
    typed = _typed(form or CaseForm(), found)
    return page.render(
        "bureau/admission_case.html",
        **shown,
        address=f"{DESK}/{found.version_id}",
        root=(*bureau_root(page), (translate(msgid("Admission"), page.locale), DESK)),
        form=form or CaseForm(),
        typed=typed,
        errors=dict(errors or {}),
        findings=_options(Finding, page.locale),
        verdicts=[
            (one.value, label(one, page.locale, kind="verdict"))
            for one in (
                AdmissionState.ADMITTED,
                AdmissionState.RETURNED,
                AdmissionState.REFUSED,
            )
        ],
        choice=[("", translate(CHOOSE, page.locale))],
        reasons=list(Reason),
        grounds=_options(Ground, page.locale),
        audits=only_audits(page.unit),
    )


def post_act(page: Page, version_id: UUID, form: CaseForm) -> Response[Any]:
    """Do what the form asks, or show the case again with what stands against it."""
    act = ACTS.get(form.act)
    if act is None:
        raise NotFound(what="act", key=form.act)
    error = tried(page, lambda unit: act(unit, VersionId(version_id), form))
    if error is not None:
        text = translate_error(error, page.locale)
        return show_case(page, version_id, form=form, errors={"": text})
    return page.redirect(f"{DESK}/{version_id}")


def _claim(unit: Unit, version_id: VersionId, _form: CaseForm) -> None:
    claim(unit, [version_id])


def _release(unit: Unit, version_id: VersionId, form: CaseForm) -> None:
    release(unit, version_id, note=form.note)


def _judge(unit: Unit, version_id: VersionId, form: CaseForm) -> None:
    """Keep the findings that are written so far; what is empty is left for later."""
    rows = zip(*map(_texts, (form.criterion, form.finding, form.evidence)), strict=True)
    for criterion, finding, evidence in rows:
        if evidence.strip() and not finding:
            raise FindingsMissing(missing=[_word(Criterion, criterion, field="criterion")])
        if evidence.strip():
            judge(
                unit,
                version_id,
                _word(Criterion, criterion, field="criterion"),
                finding=_word(Finding, finding, field="finding"),
                evidence=evidence,
            )


def _propose(unit: Unit, version_id: VersionId, form: CaseForm) -> None:
    _judge(unit, version_id, form)
    propose(
        unit,
        version_id,
        verdict=_word(AdmissionState, form.verdict, field="verdict"),
        note=form.note,
        reasons=[_word(Reason, one, field="reason") for one in _texts(form.reason) if one],
        suits=suitability(
            [_word(Stage, one, field="stage") for one in _texts(form.stage) if one],
            form.conditions,
        ),
    )


def _decide(unit: Unit, version_id: VersionId, form: CaseForm) -> None:
    verdict = _word(AdmissionState, form.verdict, field="verdict")
    price_from = parse_day(form.price_from) if form.price_from else None
    decide_admission(unit, [version_id], note=form.note, verdict=verdict, price_from=price_from)


def _take_down(unit: Unit, version_id: VersionId, form: CaseForm) -> None:
    take_down(unit, version_id, ground=_word(Ground, form.ground, field="ground"), reason=form.note)


def _restore(unit: Unit, version_id: VersionId, form: CaseForm) -> None:
    restore(unit, version_id, note=form.note)


def _decide_appeal(unit: Unit, version_id: VersionId, form: CaseForm) -> None:
    if form.verdict not in OUTCOMES:
        raise InvalidInput(field="verdict", value=form.verdict, expected=" | ".join(OUTCOMES))
    decide_appeal(unit, version_id, upheld=form.verdict == "upheld", note=form.note)


def _declare(unit: Unit, version_id: VersionId, form: CaseForm) -> None:
    found = case(unit, version_id)
    declare_interest(unit, vendor_code=found.vendor_code, reason=form.note)


def _notice(unit: Unit, version_id: VersionId, form: CaseForm) -> None:
    give_notice(
        unit,
        version_id,
        claimant=form.claimant,
        contact=form.contact,
        work=form.work,
        claim=form.note,
    )


def _decide_notice(unit: Unit, version_id: VersionId, form: CaseForm) -> None:
    known = {str(one.id): one.id for one in notices(unit, version_id=version_id)}
    if form.notice not in known:
        raise NotFound(what="notice", key=form.notice)
    if form.verdict not in OUTCOMES:
        raise InvalidInput(field="verdict", value=form.verdict, expected=" | ".join(OUTCOMES))
    decide_notice(unit, known[form.notice], upheld=form.verdict == "upheld", note=form.note)


ACTS: Final[dict[str, Callable[[Unit, VersionId, CaseForm], None]]] = {
    "claim": _claim,
    "release": _release,
    "judge": _judge,
    "propose": _propose,
    "decide": _decide,
    "take_down": _take_down,
    "restore": _restore,
    "decide_appeal": _decide_appeal,
    "declare": _declare,
    "notice": _notice,
    "decide_notice": _decide_notice,
}

STANDINGS: Final = {
    "waiting": msgid("Waiting to be claimed"),
    "mine": msgid("Claimed by me"),
    "to-decide": msgid("To be decided by me"),
    "with-a-colleague": msgid("With a colleague"),
    "appealed": msgid("Appealed"),
    "listed": msgid("Listed: what we let in"),
    "suspended": msgid("Taken down"),
}

AUDITED: Final = {
    "in_review": msgid("In review"),
    "appealed": msgid("Appealed"),
    "listed": msgid("Listed"),
    "suspended": msgid("Taken down"),
    "returned": msgid("Returned"),
    "refused": msgid("Refused"),
    "withdrawn": msgid("Withdrawn"),
}


def _columns(locale: str) -> list[Column[QueueRow]]:
    separator = LIST_SEPARATOR[locale]

    def factors(row: QueueRow) -> str:
        return separator.join(
            f"{label(one.factor, locale)} {one.points}/{one.cap}" for one in row.factors
        )

    return [
        Column(
            key="title",
            title=msgid("Resource"),
            value=lambda row: row.title,
            href=lambda row: f"{DESK}/{row.version_id}",
            sortable=True,
        ),
        Column(
            key="vendor_name",
            title=msgid("Vendor"),
            value=lambda row: row.vendor_name,
            sortable=True,
        ),
        Column(
            key="depth",
            title=msgid("Review"),
            value=lambda row: row.depth,
            kind="label",
            label_kind="Depth",
        ),
        Column(
            key="points",
            title=msgid("Points"),
            value=lambda row: row.points,
            kind="number",
            sortable=True,
        ),
        Column(
            key="factors",
            title=msgid("What brings it forward (points / at most)"),
            value=factors,
            secondary=True,
        ),
        Column(
            key="standing",
            title=msgid("Where it stands"),
            value=lambda row: row.standing,
            kind="state",
            label_kind="standing-at-desk",
        ),
        Column(key="holder", title=msgid("Reviewer"), value=lambda row: row.holder, secondary=True),
        Column(
            key="since",
            title=msgid("Waiting since"),
            value=lambda row: row.since,
            kind="day",
            sortable=True,
        ),
    ]


def _typed(form: CaseForm, found: Case) -> dict[str, tuple[str, str]]:
    """Return finding and evidence by criterion: as typed just now, else as they are kept."""
    kept = {one.criterion.value: (one.finding, one.evidence) for one in found.judged}
    typed = zip(*map(_texts, (form.criterion, form.finding, form.evidence)), strict=False)
    return kept | {name: (finding, evidence) for name, finding, evidence in typed if name in kept}


def _texts(given: Texts) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def _word(words: Any, given: str, *, field: str) -> Any:
    """Return the member that was chosen, or raise `MissingValue` or `InvalidInput`."""
    if not given:
        raise MissingValue(field=field)
    try:
        return words(given)
    except ValueError:
        expected = " | ".join(words)
        raise InvalidInput(field=field, value=given, expected=expected) from None


def _options(words: Any, locale: str) -> list[tuple[str, str]]:
    return [(one.value, label(one, locale)) for one in words]


HANDLERS: tuple[HTTPRouteHandler, ...] = (desk, one_case, act_on_case)
