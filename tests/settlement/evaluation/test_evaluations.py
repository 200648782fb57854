"""Sharing schools, bureaus and the platform, evaluated out of settled facts (R65)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select, text

from catalog.sharing_models import Derivation
from kernel.actors import VISITOR, Role
from kernel.clock import FixedClock
from kernel.errors import InvalidDate, InvalidPeriod, NotMonthsEnd
from kernel.identity.models import Organisation
from kernel.settings import Settings
from kernel.unit import Units
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.dispute_rules import DisputeOutcome, DisputeReason
from settlement.disputes import decide_dispute, dispute_line
from settlement.evaluation.bureaus import BureauService, bureau_services
from settlement.evaluation.evaluating import evaluation, school_works
from settlement.evaluation.platform import PlatformService, platform_service
from settlement.evaluation.schools import Contribution as Shared
from settlement.evaluation.schools import (
    contributions,
    mean_of,
    quality,
    works_of,
)
from settlement.evaluation.spans import read_span
from settlement.models import StatementLine
from settlement.payment_models import Payment
from settlement.payments.states import PaymentMethod
from settlement.payments.treasury import ReturnRow, export_orders, record_returns
from settlement.ratings import rate
from tests.support.application import an_app
from tests.support.builders import (
    a_listed_version,
    a_person,
    a_resource,
    a_school,
    a_selling_teacher,
    admit,
)
from tests.support.credit_builders import Contribution, a_contribution, taught
from tests.support.pack_builders import a_pack
from tests.support.payment_builders import paid, payables, practice, released
from tests.support.settlement_builders import (
    LOG,
    MARCH,
    SYSTEM,
    a_use,
    an_agreement,
    at,
    deliver,
)
from tests.support.site_builders import counted_queries

PAGE = {"accept": "text/html"}


@pytest.fixture
def given(units: Units) -> Contribution:
    return a_contribution(units)


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def shared(units: Units, span: str = "2026", *, as_of: str = "") -> list[Shared]:
    with units(SYSTEM) as unit:
        return contributions(unit, read_span(unit, span, as_of=as_of))


def served(units: Units, span: str = "2026", *, as_of: str = "") -> BureauService:
    with units(SYSTEM) as unit:
        return bureau_services(unit, read_span(unit, span, as_of=as_of))[-1]


def platform(units: Units, span: str = "2026", *, as_of: str = "") -> PlatformService:
    with units(SYSTEM) as unit:
        return platform_service(unit, read_span(unit, span, as_of=as_of))


def home(units: Units, given: Contribution) -> Organisation:
    with units(SYSTEM) as unit:
        vendor = unit.session.get_one(Organisation, given.market.vendor.id)
        return unit.session.scalars(
            select(Organisation).where(
                Organisation.kind == "school",
                text("CAST(id AS text) = :id").bindparams(id=vendor.facts["school_id"]),
            )
        ).one()


def test_a_school_contributes_what_other_schools_use_and_say(
    units: Units, given: Contribution
) -> None:
    """R65: nothing before it is settled; then each work once per school, with the opinion."""
    taught(units, given, day=2)
    taught(units, given, day=3)
    (before,) = shared(units)
    assert (before.works, before.contribution, before.quality) == (1, 0, None)
    settle(units, SYSTEM, MARCH)
    with units(given.reader) as unit:
        rate(unit, f"{given.market.vendor.code}/{given.market.sku}", stars=5)
    (after,) = shared(units)
    school = home(units, given)
    assert (after.code, after.place) == (school.code, 1)
    assert (after.schools, after.taken_up, after.derivatives, after.uses) == (1, 1, 0, 2)
    assert (after.ratings, after.quality) == (1, quality(4, 1, mean=mean_of(4, 1)))
    with units(SYSTEM) as unit:
        (work,) = works_of(unit, read_span(unit, "2026"), school_code=school.code)
    assert (work.schools, work.uses, work.ratings, work.stars) == (1, 2, 1, 5)
    assert [one.contribution for one in shared(units, "2026-09")] == [0]


def test_a_schools_own_use_counts_nowhere(units: Units, given: Contribution) -> None:
    """R65: were the author of the using school, all that it did would be its own."""
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    assert shared(units)[0].contribution == 1
    with units(SYSTEM) as unit:
        vendor = unit.session.get_one(Organisation, given.market.vendor.id)
        vendor.facts = {**vendor.facts, "school_id": str(given.market.school.id)}
    (own,) = shared(units)
    assert own.code == given.market.school.code
    assert (own.works, own.contribution, own.uses, own.ratings) == (1, 0, 0, 0)


def test_works_of_other_schools_made_from_it_count(units: Units, given: Contribution) -> None:
    """R6, R65: a work built on it, once let in; one of its own school does not count."""
    school = home(units, given)
    with units(SYSTEM) as unit:
        makers = [a_selling_teacher(unit, one) for one in (a_school(unit), school)]
        parent = a_listed_version(unit, given.market.resource_id)
        made = []
        for maker in makers:
            resource_id = a_resource(unit, maker, listed=False, unit_price="0.0000")
            made.append(a_listed_version(unit, resource_id))
            unit.session.add(Derivation(version_id=made[-1], parent_id=parent))
    (before,) = shared(units)
    assert (before.derivatives, before.works) == (0, 1), "nothing is let in yet"
    with units(SYSTEM) as unit:
        admit(unit, made)
    by_code = {one.code: one for one in shared(units)}
    assert (by_code[school.code].derivatives, by_code[school.code].works) == (1, 2)
    assert by_code[school.code].contribution == 1
    assert [one.place for one in shared(units)] == [1, 2]


def test_a_work_that_is_used_in_a_pack_is_taken_up(units: Units, given: Contribution) -> None:
    """R65: the parts that were used, and the pack itself is no work beside them."""
    market = given.market
    with units(SYSTEM) as unit:
        for sku in ("P-1", "P-2"):
            a_resource(unit, market.vendor, sku, unit_price="0.3000")
        pack = a_pack(unit, market.vendor, ("P-1", "P-2"))
        an_agreement(
            unit,
            market.school,
            vendor_id=market.vendor.id,
            resource_id=pack,
            draws=[Draw(market.line_id, 5_000)],
            reference="PACK",
        )
    rows = [a_use(units, market, f"e{n}", at(3, 8 + n), sku="P-1") for n in range(3)]
    deliver(units, rows, source=LOG, name="parts.csv")
    settle(units, SYSTEM, MARCH)
    (one,) = shared(units)
    assert (one.works, one.taken_up, one.schools, one.uses) == (3, 1, 1, 3)
    with units(SYSTEM) as unit:
        works = works_of(unit, read_span(unit, "2026"), school_code=one.code)
    assert {work.sku: (work.schools, work.uses) for work in works} == {
        "P-1": (1, 3),
        "P-2": (0, 0),
        market.sku: (0, 0),
    }


def test_an_evaluation_of_a_day_is_the_same_later(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R65: what became known afterwards changes nothing of what was published."""
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    day = clock.at.date().isoformat()
    published = (shared(units, as_of=day), served(units, as_of=day), platform(units, as_of=day))
    clock.advance(timedelta(days=3))
    with units(SYSTEM) as unit:
        line = unit.session.scalars(select(StatementLine)).one()
        judge = a_person(unit, given.market.bureau, [Role.BUREAU_FINANCE])
    with units(given.market.finance) as unit:
        dispute_id = dispute_line(
            unit,
            line.id,
            reason=DisputeReason.NOT_OUR_LEARNERS,
            claim="不是本校学生",
            claimed_fen=0,
        )
    clock.advance(timedelta(days=9))
    with units(judge) as unit:
        decide_dispute(
            unit,
            dispute_id,
            outcome=DisputeOutcome.UPHELD,
            credit_fen=line.amount_fen,
            note="核实属实",
        )
    assert shared(units)[0].contribution == 0, "its whole bill was credited"
    assert (platform(units).disputes, platform(units).upheld) == (1, 1)
    now = served(units)
    assert (now.disputes, now.disputes_in_time) == (1, 1)
    assert (now.statements, now.overdue) == (0, 0), "nothing is due so soon"
    assert published == (
        shared(units, as_of=day),
        served(units, as_of=day),
        platform(units, as_of=day),
    )


def test_a_bureau_is_told_by_what_it_decided(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R65: decisions with their days, those within the promise apart; a month knows its own."""
    before = served(units)
    assert (before.name, before.in_time) == (given.market.bureau.name, before.decided)
    assert before.median_days == 0
    with units(SYSTEM) as unit:
        maker = a_selling_teacher(unit, a_school(unit))
        late = [
            a_listed_version(unit, a_resource(unit, maker, listed=False, unit_price="0.0000"))
            for _ in range(before.decided + 1)
        ]
    clock.advance(timedelta(days=31))
    with units(SYSTEM) as unit:
        admit(unit, late)
    after = served(units)
    assert (after.decided, after.in_time) == (2 * before.decided + 1, before.in_time)
    assert after.median_days == 31
    month = served(units, "2026-09")
    assert (month.decided, month.in_time) == (before.decided + 1, 0)


def test_use_that_could_not_be_counted_is_the_platforms_matter(
    units: Units, given: Contribution
) -> None:
    """R32, R65: of the rows that came in for the span's months, those in quarantine."""
    rows = [
        a_use(units, given.market, "good", at(2)),
        a_use(units, given.market, "bad", at(2), learner="NOBODY"),
    ]
    deliver(units, rows, name="two.csv")
    told = platform(units, "2026-03")
    assert (told.received, told.quarantined) == (2, 1)
    assert platform(units, "2026-04").received == 0
    assert (told.payouts, told.median_days, told.differences) == (0, None, 0)


def test_a_span_is_a_year_or_a_month(units: Units) -> None:
    with units(SYSTEM) as unit:
        assert read_span(unit, "").name == str(unit.clock.now().year)
        month = read_span(unit, "2026-03")
        assert (month.first, month.last) == (MARCH, MARCH)
        for wrong in ("26", "May", "2026-13", "0000"):
            with pytest.raises(InvalidPeriod):
                read_span(unit, wrong)
        with pytest.raises(InvalidDate):
            read_span(unit, "2026", as_of="yesterday")


def test_visitors_name_the_last_days_of_months_and_no_other_day_gone_by(units: Units) -> None:
    """R65: what anybody may have reckoned is not as many as there are days."""
    units.clock.at = at(20, 9)
    with units(VISITOR) as unit:
        for day, known in (
            ("2026-02-28", "2026-02-28"),
            ("2026-03-20", "2026-03-20"),
            ("2026-05-05", "2026-03-20"),
        ):
            assert read_span(unit, "2026", as_of=day).known.isoformat() == known
        for day in ("2026-02-27", "2026-03-19"):
            with pytest.raises(NotMonthsEnd):
                read_span(unit, "2026", as_of=day)
    with units(SYSTEM) as unit:
        assert read_span(unit, "2026", as_of="2026-03-19").known.isoformat() == "2026-03-19"


def test_everybody_reads_the_evaluations_and_opens_their_numbers(
    client: TestClient[Litestar], units: Units, given: Contribution
) -> None:
    """R65: page, file and interface say the same; no using school is named; few queries."""
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    school = home(units, given)
    with counted_queries(units.engine) as queries:
        page = client.get("/reports/evaluations?span=2026", headers=PAGE)
    assert page.status_code == 200
    assert len(queries) <= 12
    assert school.name in page.text
    assert given.market.school.name not in page.text
    assert f"/reports/evaluations/schools/{school.code}" in page.text
    work = client.get(f"/reports/evaluations/schools/{school.code}?span=2026", headers=PAGE)
    assert work.status_code == 200
    assert given.market.school.name not in work.text
    missing = f"/reports/evaluations/schools/{given.market.school.code}"
    assert client.get(missing, headers=PAGE).status_code == 404
    file = client.get("/reports/evaluations?span=2026&about=schools&format=csv")
    assert school.code in file.text
    answer = client.get("/api/v1/evaluations", params={"span": "2026"}).json()
    assert [one["code"] for one in answer["schools"]] == [school.code]
    assert answer["schools"][0]["contribution"] == 1
    assert answer["bureaus"][-1]["name"] == given.market.bureau.name
    assert answer["platform"]["received"] == 1
    wrong = client.get("/api/v1/evaluations", params={"span": "never"})
    assert wrong.status_code == 422
    for about in ("bureaus", "platform"):
        assert client.get(f"/reports/evaluations?about={about}&format=csv").status_code == 200


def test_statements_that_are_not_paid_by_their_day_are_told_of_the_bureau(
    units: Units, clock: FixedClock
) -> None:
    """R62, R65: overdue until it is paid; the days to the money's arrival are the platform's."""
    owed = payables(units)
    assert (served(units).statements, served(units).overdue) == (0, 0)
    clock.advance(timedelta(days=50))
    assert (served(units).statements, served(units).overdue) == (1, 1)
    day = clock.at.date().isoformat()
    clock.advance(timedelta(days=2))
    _, gateway = practice(units)
    paid(units, owed, gateway)
    assert (served(units).statements, served(units).overdue) == (1, 0)
    assert served(units, as_of=day).overdue == 1
    told = platform(units)
    assert told.payouts == len(owed.payees)
    assert told.median_days == 52


def test_what_comes_back_later_changes_no_month_of_before(units: Units, clock: FixedClock) -> None:
    """R62, R65: a statement was paid at a month's end, whatever its treasury returns since."""
    owed = payables(units)
    number = released(units, owed, method=PaymentMethod.TREASURY)
    with units(owed.maker) as unit:
        orders = unit.session.execute(select(Payment.key, Payment.amount_fen)).all()
        export_orders(unit, number)
        rows = [
            ReturnRow(order_no=key, voucher_no=f"V{n}", result="paid", amount_fen=fen)
            for n, (key, fen) in enumerate(orders)
        ]
        record_returns(unit, rows)
    clock.advance(timedelta(days=50))
    day = clock.at.date().isoformat()
    clock.advance(timedelta(days=2))
    assert served(units).overdue == 0

    with units(owed.maker) as unit:
        record_returns(unit, [replace(rows[0], voucher_no="back", result="returned")])

    assert (served(units).overdue, served(units, as_of=day).overdue) == (1, 0)


def test_an_evaluation_is_reckoned_once_for_some_minutes(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R65: whoever asks within them reads the same, which says by what moment it is known."""
    units.settings = replace(units.settings, remember_seconds=300)
    with units(SYSTEM) as unit:
        before = evaluation(unit, "2026")
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    clock.advance(timedelta(minutes=4))
    with units(SYSTEM) as unit:
        with counted_queries(unit.session.get_bind().engine) as asked:
            assert evaluation(unit, "2026") is before
        assert len(asked) == 0
        assert evaluation(unit, "2026-03") is not before
        code = home(units, given).code
        assert school_works(unit, "2026", school_code=code).rows
    clock.advance(timedelta(minutes=1))
    with units(SYSTEM) as unit:
        after = evaluation(unit, "2026")
    assert [one.taken_up for one in before.schools] == [0]
    assert [one.taken_up for one in after.schools] == [1]
    assert after.span.as_of - before.span.as_of == timedelta(minutes=5)
