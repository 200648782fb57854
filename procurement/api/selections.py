"""`/api/v1/selections`: list, look at, request and sign selections.

For signed-in people (cookie, and `X-CSRF-Token` for what changes something) and, to read, for keys.
A signature is a person's: a key can't give it. `Idempotency-Key` makes a repeated request harmless.
"""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, RawBody

from kernel.actors import Role
from kernel.errors import InvalidInput
from kernel.http.callers import Callers
from kernel.http.once import answered_once
from kernel.http.pages import only
from kernel.http.problems import AnyRequest
from kernel.ids import SelectionId
from kernel.unit import Unit
from procurement.approvals import refuse, return_, sign
from procurement.queries import selection, selections_after
from procurement.requests import Wanted, request_basket
from procurement.schemas import (
    Requested,
    SelectionAnswer,
    SelectionPage,
    SelectionRequest,
    SignatureRequest,
    answer_of,
)
from procurement.states import SelectionState

SCHOOL: Final = (
    *(Role.TEACHER, Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL),
)
BUREAU: Final = (Role.ADMISSION, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
READERS: Final = only(*SCHOOL, *BUREAU)
MOST: Final = 200

Limit = Annotated[int, QueryParameter(ge=1, le=MOST)]


@get(
    "/selections",
    opt=READERS,
    sync_to_thread=True,
    operation_id="listSelections",
    summary="List selections",
)
def list_selections(
    request: AnyRequest,
    callers: Callers,
    *,
    in_state: Annotated[str, QueryParameter(name="state")] = "",
    after: FromQuery[UUID | None] = None,
    limit: Limit = 50,
) -> SelectionPage:
    """Answer a page of what the caller sees, the oldest first."""
    with callers.open(request) as unit:
        views = selections_after(
            unit,
            after=SelectionId(after) if after else None,
            limit=limit + 1,
            state=_state(in_state),
        )
        shown = views[:limit]
        more = shown[-1].id if len(views) > limit else None
        return SelectionPage(items=[answer_of(view) for view in shown], next=more)


@get(
    "/selections/{selection_id:uuid}",
    opt=READERS,
    sync_to_thread=True,
    operation_id="getSelection",
    summary="One selection",
)
def get_selection(
    request: AnyRequest, callers: Callers, selection_id: FromPath[UUID]
) -> SelectionAnswer:
    """Answer one selection with its signatures."""
    with callers.open(request) as unit:
        return answer_of(selection(unit, selection_id))


@post(
    "/selections",
    opt=only(*SCHOOL),
    status_code=201,
    sync_to_thread=True,
    operation_id="requestSelections",
    summary="Request resources",
)
def request_selections(
    request: AnyRequest, callers: Callers, data: JSONBody[SelectionRequest], body: RawBody
) -> Response[bytes]:
    """Request resources together for the caller's own school, all or none."""

    def act(unit: Unit) -> msgspec.Struct:
        wanted = [
            Wanted(
                vendor_code=item.vendor_code,
                sku=item.sku,
                starts_on=data.starts_on,
                ends_on=data.ends_on,
                ceiling_fen=item.ceiling_fen,
                later_fen=item.later_fen,
                reason=data.reason,
                trial=item.trial,
            )
            for item in data.items
        ]
        ids = request_basket(unit, wanted)
        return Requested(items=[answer_of(selection(unit, one)) for one in ids])

    return answered_once(request, callers, body, act=act, status=201)


@post(
    "/selections/{selection_id:uuid}/signature",
    opt=READERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="signSelection",
    summary="Sign, return or refuse",
)
def sign_selection(
    request: AnyRequest,
    callers: Callers,
    selection_id: FromPath[UUID],
    data: JSONBody[SignatureRequest],
    body: RawBody,
) -> Response[bytes]:
    """Decide the position that is due, as the person who calls; answer the selection then."""

    def act(unit: Unit) -> msgspec.Struct:
        wanted = SelectionId(selection_id)
        match data.decision:
            case "sign":
                sign(unit, wanted, note=data.note)
            case "return":
                return_(unit, wanted, note=data.note)
            case "refuse":
                refuse(unit, wanted, note=data.note)
        return answer_of(selection(unit, selection_id))

    return answered_once(request, callers, body, act=act)


HANDLERS: Final = (list_selections, get_selection, request_selections, sign_selection)


def _state(text: str) -> SelectionState | None:
    if not text:
        return None
    if text not in frozenset(SelectionState):
        raise InvalidInput(field="state", value=text, expected=" | ".join(SelectionState))
    return SelectionState(text)
