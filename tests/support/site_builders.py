"""A site with something on every page: two schools of one county, a stated month, and people.

The first school has a statement of March that waits for confirmation; its uses hold one that
counts, a repeat and one from outside the enrolment, and pass the ceiling. The second school buys
from another vendor. Another county has only its bureau. Everybody signs in with `PASSWORD`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import Engine, event

from kernel.actors import Role
from kernel.identity.grants import actor_of
from kernel.identity.models import NATION, Organisation
from kernel.identity.regions import RegionRow, record_regions
from kernel.unit import Unit, Units
from procurement.approval_rules import record_approval_rules
from procurement.policy import Threshold
from procurement.requests import Wanted, request_basket
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.dispute_rules import DisputeReason
from settlement.disputes import answer_dispute, dispute_line
from settlement.funding_lines import issue_amount, open_line
from settlement.queries.lines import lines_of
from tests.support.accounts import PASSWORD
from tests.support.builders import (
    CITY,
    a_bureau,
    a_learner,
    a_listed_version,
    a_person,
    a_resource,
    a_school,
    a_vendor,
    an_evaluator,
    took,
)
from tests.support.settlement_builders import (
    MARCH,
    PLAYER,
    SYSTEM,
    Market,
    a_market,
    a_use,
    an_agreement,
    at,
    deliver,
)
from tests.support.worlds import a_world

SCHOOL_STAFF = (
    Role.TEACHER,
    Role.RESEARCH_LEAD,
    Role.ACADEMIC,
    Role.SCHOOL_FINANCE,
    Role.PRINCIPAL,
)
BUREAU_STAFF = (Role.ADMISSION, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
OTHER_COUNTY = "990122"
SIGNATURES = (
    Threshold(position=1, role=Role.RESEARCH_LEAD, from_amount_fen=0),
    Threshold(position=2, role=Role.ACADEMIC, from_amount_fen=0),
    Threshold(position=3, role=Role.SCHOOL_FINANCE, from_amount_fen=0),
    Threshold(position=4, role=Role.PRINCIPAL, from_amount_fen=0),
    Threshold(position=5, role=Role.BUREAU_FINANCE, from_amount_fen=5_000),
)
"""In the school 教研组 → 教务 → 财务 → 校长, and from 50.00 yuan on the bureau."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages are about. Logins are the roles' names; `other-` ones are neighbours'."""

    market: Market
    other: Market
    line_id: UUID
    other_line_id: UUID
    sequence: int
    selection_id: UUID | None = None
    dispute_id: UUID | None = None
    credited_line_id: UUID | None = None
    version_id: UUID | None = None

    @property
    def addresses(self) -> dict[str, str]:
        """What stands in for the parameters of a route, all about the first school."""
        return {
            "month": "2026-03",
            "code": self.market.school.code,
            "line_id": str(self.line_id),
            "sequence": str(self.sequence),
            "vendor": self.market.vendor.code,
            "sku": self.market.sku,
            "number": f"{self.market.school.code}-A-1",
            "name": "base.css",
            "launch_id": "0198c0de-0000-7000-8000-000000000000",
            "device": "box-none",
            "dispute_id": str(self.dispute_id),
            "selection_id": str(self.selection_id),
            "version_id": str(self.version_id),
            "attachment_id": "0198c0de-0000-7000-8000-000000000003",
            "sample_id": "0198c0de-0000-7000-8000-000000000004",
            "need_id": "0198c0de-0000-7000-8000-000000000002",
            "notice_id": "0198c0de-0000-7000-8000-000000000002",
            "delegation_id": "0198c0de-0000-7000-8000-000000000001",
        }


@a_world
def a_site(units: Units, *, disputes: bool = False) -> Site:
    """Build all of it; the month is stated, nothing is confirmed.

    With `disputes` the first school has two more lines: one disputed, one with a credit note.
    """
    market = a_market(units, ceiling_fen=90)
    with units(SYSTEM) as unit:
        other = _a_neighbour(unit, market)
        if disputes:
            for number in (3, 4):
                _sell_more(unit, market, number)
        a_learner(unit, market.school, "L3", left_on=date(2026, 3, 5))
        for role in SCHOOL_STAFF:
            a_person(unit, market.school, [role], login=role, password=PASSWORD)
        for role in BUREAU_STAFF:
            a_person(unit, market.bureau, [role], login=role, password=PASSWORD)
        a_person(
            unit,
            market.vendor,
            [Role.VENDOR_MANAGER],
            login=Role.VENDOR_MANAGER,
            password=PASSWORD,
        )
        a_person(
            unit,
            an_evaluator(unit),
            [Role.EVALUATOR],
            login=Role.EVALUATOR,
            password=PASSWORD,
        )
        _neighbouring_people(unit, other)
    _deliver(units, market, other)
    if disputes:
        more = [a_use(units, market, f"s{n}", at(8), sku=f"SKU-{n}") for n in (3, 4)]
        deliver(units, more, source=PLAYER, name="more.csv")
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        version_id = a_listed_version(unit, market.resource_id)
        lines = {(line.payer_code, line.agreement_number[-3:]): line.id for line in lines_of(unit)}
    code = market.school.code
    return Site(
        market=market,
        other=other,
        line_id=lines[code, "A-1"],
        other_line_id=lines[other.school.code, "A-1"],
        sequence=1,
        selection_id=_ask(units, market),
        dispute_id=_quarrel(units, market, lines[code, "A-3"]) if disputes else None,
        credited_line_id=_settled(units, market, lines[code, "A-4"]) if disputes else None,
        version_id=version_id,
    )


def _ask(units: Units, market: Market) -> UUID:
    """Have the teacher request the market's resource; nobody has signed yet."""
    with units(SYSTEM) as unit:
        record_approval_rules(unit, NATION, valid_from=date(2026, 1, 1), thresholds=SIGNATURES)
        teacher = actor_of(unit, login=Role.TEACHER, via="test")
    with units(teacher) as unit:
        wanted = Wanted(
            vendor_code=market.vendor.code,
            sku=market.sku,
            starts_on=date(2026, 9, 1),
            ends_on=date(2026, 12, 31),
            ceiling_fen=2_000,
            reason="新学期继续使用",
        )
        return request_basket(unit, [wanted])[0]


def _sell_more(unit: Unit, market: Market, number: int) -> None:
    sku = f"SKU-{number}"
    resource_id = a_resource(unit, market.vendor, sku, unit_price="0.5000")
    an_agreement(
        unit,
        market.school,
        vendor_id=market.vendor.id,
        resource_id=resource_id,
        draws=[Draw(market.line_id, 500)],
        unit_price="0.5000",
        reference=f"A-{number}",
    )


def _quarrel(units: Units, market: Market, line_id: UUID) -> UUID:
    with units(market.finance) as unit:
        return dispute_line(
            unit, line_id, reason=DisputeReason.UNUSABLE, claim="打不开", claimed_fen=20
        )


def _settled(units: Units, market: Market, line_id: UUID) -> UUID:
    """Have the vendor credit what is disputed of a line; return the line."""
    dispute_id = _quarrel(units, market, line_id)
    with units(SYSTEM) as unit:
        manager = actor_of(unit, login=Role.VENDOR_MANAGER, via="test")
    with units(manager) as unit:
        answer_dispute(unit, dispute_id, answer="属实", offered_fen=30)
    return line_id


def _a_neighbour(unit: Unit, market: Market) -> Market:
    """A second school of the county, which buys from another vendor."""
    school, vendor = a_school(unit), a_vendor(unit)
    resource_id = a_resource(unit, vendor, "SKU-2", unit_price="0.5000")
    a_learner(unit, school, "N1")
    line_id = open_line(unit, school.id, fiscal_year=2026, source="per_student")
    issue_amount(unit, line_id, amount_fen=50_000, key="test:other", memo="allocation")
    agreement_id = an_agreement(
        unit,
        school,
        vendor_id=vendor.id,
        resource_id=resource_id,
        draws=[Draw(line_id, 5_000)],
        unit_price="0.5000",
    )
    return replace(
        market,
        school=school,
        vendor=vendor,
        resource_id=resource_id,
        sku="SKU-2",
        line_id=line_id,
        agreement_id=agreement_id,
    )


def _neighbouring_people(unit: Unit, other: Market) -> None:
    took(record_regions(unit, [RegionRow(code=OTHER_COUNTY, name="邻县", parent_code=CITY)]))
    bureau = a_bureau(unit, region_code=OTHER_COUNTY, name="邻县教育局")
    people: tuple[tuple[str, Organisation, Role], ...] = (
        ("other-finance", other.school, Role.SCHOOL_FINANCE),
        ("other-vendor", other.vendor, Role.VENDOR_MANAGER),
        ("other-auditor", bureau, Role.AUDITOR),
    )
    for login, organisation, role in people:
        a_person(unit, organisation, [role], login=login, password=PASSWORD)


def _deliver(units: Units, market: Market, other: Market) -> None:
    rows = [
        a_use(units, market, "first", at(2), session="session-1"),
        a_use(units, market, "repeat", at(2, 9, 0, 0)),
        a_use(units, market, "later", at(2, 9, 0, 12)),
        a_use(units, market, "gone", at(20), learner="L3"),
        a_use(units, market, "third", at(21), learner="L2"),
        a_use(units, market, "first", at(2), session="session-1"),
        a_use(units, market, "unknown", at(22), learner="nobody"),
    ]
    deliver(units, rows, source=PLAYER, name="march.csv")
    deliver(units, [a_use(units, other, "n", at(3), learner="N1")], source=PLAYER, name="n.csv")


def sign_in(client: TestClient[Litestar], login: str) -> None:
    """Open a session of this login, and no other."""
    client.cookies.clear()
    response = client.post(
        "/sign-in", data={"login": login, "password": PASSWORD}, follow_redirects=False
    )
    assert response.status_code == 303, response.text


def csrf_token(client: TestClient[Litestar]) -> str:
    """Return the token of the client's session."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found
    return found[1]


@contextmanager
def counted_queries(engine: Engine) -> Iterator[list[str]]:
    """Yield the list to which every statement sent to the database is appended."""
    sent: list[str] = []

    def note(_connection, _cursor, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)
