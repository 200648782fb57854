"""Tables of signatures: proposed by one person, checked by another, from a day to come (R22)."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.errors import (
    AlreadyExists,
    InvalidInput,
    MakerChecks,
    NobodySigns,
    NoSignature,
    NotFound,
    ProposalDecided,
    ReasonRequired,
    Refused,
    SignsTwice,
    TableTooEarly,
)
from kernel.outcomes import Fate
from kernel.unit import Units
from procurement.approval_rule_previews import SignTable, preview_table
from procurement.approval_rule_proposals import (
    RuleRow,
    check_table,
    propose_approval_rules,
    propose_table,
)
from procurement.approval_rules import approval_rule_history, record_approval_rules
from procurement.policy import Threshold
from procurement.record_proposals import (
    RecordKind,
    RecordState,
    record_proposal,
    record_proposals,
    return_record,
    withdraw_record,
)
from tests.support.agreement_builders import on
from tests.support.funding_builders import (
    CITY,
    COUNTY,
    SCHOOL,
    CountyBuilder,
    a_county,
    a_selection,
)

TODAY, TOMORROW = date(2026, 8, 3), date(2026, 8, 4)
PRINCIPAL = Threshold(position=1, role=Role.PRINCIPAL, from_amount_fen=0)
BUREAU = Threshold(position=2, role=Role.BUREAU_FINANCE, from_amount_fen=20_000)
TABLE = SignTable(region_code=COUNTY, valid_from=TOMORROW, thresholds=[PRINCIPAL, BUREAU])


@pytest.fixture
def county(units: Units, clock: FixedClock) -> CountyBuilder:
    clock.at = on(2026, 8, 3)
    return a_county(units)


def proposed(county: CountyBuilder, table: SignTable = TABLE, *, login: str = "bureau") -> str:
    with county.units(county.actor(login)) as unit:
        return propose_table(unit, table, reason="青石教财〔2026〕12号")


def checked(county: CountyBuilder, number: str, *, login: str = "checker") -> None:
    with county.units(county.actor(login)) as unit:
        check_table(unit, number)


def signers(county: CountyBuilder, reference: str) -> list[str]:
    steps = text(
        "SELECT p.role FROM approval_step p JOIN selection s ON s.id = p.selection_id "
        "WHERE s.reference = :reference ORDER BY p.position"
    )
    with county.units(county.actor("operator")) as unit:
        return list(unit.session.scalars(steps, {"reference": reference}))


def test_a_table_counts_once_another_has_checked_it_and_its_day_has_come(
    county: CountyBuilder, clock: FixedClock
) -> None:
    """R22: what is requested before keeps its signatures; history says who, when and why."""
    number = proposed(county)
    with pytest.raises(MakerChecks):
        checked(county, number, login="bureau")
    county.select(a_selection("S-1"))
    checked(county, number)
    county.listed("maths-2")
    county.select(a_selection("S-2", sku="maths-2"))
    clock.at = on(2026, 8, 4)
    county.listed("maths-3")
    county.select(a_selection("S-3", sku="maths-3"))
    assert signers(county, "S-1") == signers(county, "S-2") == ["academic", "school_finance"]
    assert signers(county, "S-3") == ["principal", "bureau_finance"]
    with county.units(county.actor("bureau")) as unit:
        first, *shipped = approval_rule_history(unit, COUNTY)
    assert (first.in_force, first.valid_from, first.number) == (True, TOMORROW, number)
    assert (first.made_by, first.checked_by) == ("bureau", "checker")
    assert first.reason == "青石教财〔2026〕12号"
    assert first.checked_at == on(2026, 8, 3)
    assert [table.made_by for table in shipped] == [""]


def test_a_table_is_decided_once_and_never_by_its_maker(county: CountyBuilder) -> None:
    """R22: by the service, and by the database itself."""
    number = proposed(county)
    with pytest.raises(Refused):
        checked(county, number, login="operator")
    with pytest.raises(ReasonRequired), county.units(county.actor("checker")) as unit:
        return_record(unit, number, note=" ")
    by_its_maker = text(
        "UPDATE record_proposal SET state = 'recorded', decided_at = now(), "
        "decided_by = made_by, decided_by_name = 'x'"
    )
    with pytest.raises(IntegrityError), county.units(county.actor("bureau")) as unit:
        unit.session.execute(by_its_maker)
    with county.units(county.actor("checker")) as unit:
        return_record(unit, number, note="应自下学期起")
    with pytest.raises(ProposalDecided):
        checked(county, number)
    again = proposed(county)
    with pytest.raises(Refused), county.units(county.actor("checker")) as unit:
        withdraw_record(unit, again)
    with county.units(county.actor("bureau")) as unit:
        withdraw_record(unit, again)
        states = [row.state for row in record_proposals(unit, RecordKind.APPROVAL_RULES)]
    assert states == [RecordState.WITHDRAWN, RecordState.RETURNED]


def test_another_bureau_neither_proposes_for_the_region_nor_sees_what_waits(
    county: CountyBuilder,
) -> None:
    county.with_other_bureau()
    number = proposed(county)
    with pytest.raises(NotFound):
        proposed(county, login="elsewhere")
    for act in (check_table, record_proposal):
        with pytest.raises(NotFound), county.units(county.actor("elsewhere")) as unit:
            act(unit, number)
    with pytest.raises(NotFound):
        proposed(county, replace(TABLE, region_code=CITY))


def test_nobody_records_a_table_alone(county: CountyBuilder) -> None:
    """R22: what an installation brings is the system's; people are two."""
    for login in ("bureau", "operator"):
        with pytest.raises(Refused), county.units(county.actor(login)) as unit:
            record_approval_rules(unit, COUNTY, valid_from=TOMORROW, thresholds=[PRINCIPAL, BUREAU])


@pytest.mark.parametrize(
    ("thresholds", "refused", "facts"),
    [
        ([BUREAU], NoSignature, {"below_yuan": "200.00"}),
        (
            [replace(PRINCIPAL, source="surcharge"), BUREAU],
            NoSignature,
            {"below_yuan": "200.00"},
        ),
        (
            [PRINCIPAL, replace(PRINCIPAL, position=3, source="surcharge")],
            SignsTwice,
            {"first": 1, "second": 3},
        ),
        (
            [
                PRINCIPAL,
                replace(BUREAU, kind="basic", tier="growth"),
                replace(BUREAU, position=3, tier="growth"),
            ],
            SignsTwice,
            {"first": 2, "second": 3},
        ),
        ([PRINCIPAL, replace(PRINCIPAL, position=2, role=Role.AUDITOR)], InvalidInput, {}),
        ([PRINCIPAL, replace(BUREAU, position=1)], InvalidInput, {"field": "position"}),
        (
            [PRINCIPAL, replace(PRINCIPAL, position=2, role=Role.RESEARCH_LEAD)],
            NobodySigns,
            {"role": Role.RESEARCH_LEAD},
        ),
    ],
)
def test_a_table_with_a_gap_or_an_overlap_is_refused_with_what_is_missing(
    county: CountyBuilder,
    thresholds: list[Threshold],
    refused: type[InvalidInput],
    facts: dict[str, object],
) -> None:
    """R22: no selection may be left without a signer, or wait twice for the same one."""
    with pytest.raises(refused) as error:
        proposed(county, replace(TABLE, thresholds=thresholds))
    assert {name: error.value.facts[name] for name in facts} == facts


def test_one_role_may_have_two_rows_that_never_meet_or_that_let_it_sign_again(
    county: CountyBuilder,
) -> None:
    proposed(
        county,
        replace(
            TABLE,
            thresholds=[
                PRINCIPAL,
                replace(BUREAU, kind="basic"),
                replace(BUREAU, position=3, kind="personalised"),
                replace(PRINCIPAL, position=4, from_amount_fen=90_000, may_repeat=True),
            ],
        ),
    )


def test_a_table_begins_after_the_day_on_which_it_is_proposed_and_checked(
    county: CountyBuilder, clock: FixedClock
) -> None:
    """R22: on a day on which something may have been requested the tables stand."""
    with pytest.raises(TableTooEarly) as error:
        proposed(county, replace(TABLE, valid_from=TODAY))
    assert error.value.facts["earliest"] == TOMORROW
    number = proposed(county)
    clock.at = on(2026, 8, 4)
    with pytest.raises(TableTooEarly):
        checked(county, number)


def test_the_preview_names_what_is_open_and_who_is_missing(county: CountyBuilder) -> None:
    """R22: a small selection would lack its two signers; another school has no principal."""
    county.school("3299010002", staff=[Role.TEACHER, Role.ACADEMIC])
    county.select(a_selection(ceiling_fen=10_000))
    own = SignTable(region_code=COUNTY, valid_from=TOMORROW, thresholds=[PRINCIPAL, BUREAU])
    with county.units(county.actor("bureau")) as unit:
        found = preview_table(unit, own)
        assert record_proposals(unit, RecordKind.APPROVAL_RULES) == []
    (selection,) = found.open
    assert (found.schools, found.differing, selection.signed_fen) == (2, 1, 10_000)
    assert selection.keeps == [Role.ACADEMIC, Role.SCHOOL_FINANCE]
    assert selection.would_need == [Role.PRINCIPAL]
    assert [(one.school_code, one.role) for one in found.missing] == [
        ("3299010002", Role.PRINCIPAL)
    ]


def rows(*thresholds: Threshold, day: date = TOMORROW, **facts: object) -> list[RuleRow]:
    return [
        RuleRow(
            region_code=COUNTY,
            valid_from=day,
            position=one.position,
            role=one.role,
            from_amount_fen=one.from_amount_fen,
            kind=one.kind,
            reason="青石教财〔2026〕12号",
        )
        for one in thresholds
    ]


def test_a_list_becomes_a_proposal_for_each_region_and_day(county: CountyBuilder) -> None:
    """R22, R32: a wrong row rejects its whole table; a table again is a duplicate or a conflict."""
    later = date(2026, 9, 1)
    wrong = replace(BUREAU, kind="nonsense")
    with county.units(county.actor("bureau")) as unit:
        found = propose_approval_rules(
            unit, [*rows(PRINCIPAL, BUREAU), *rows(PRINCIPAL, wrong, day=later)]
        )
    assert [one.fate for one in found] == [*[Fate.ACCEPTED] * 2, *[Fate.REJECTED] * 2]
    assert [one.error and one.error.code for one in found[2:]] == [
        "table-incomplete",
        "invalid-input",
    ]
    assert [one.field for one in found[2:]] == ["valid_from", "kind"]
    with county.units(county.actor("bureau")) as unit:
        again = propose_approval_rules(unit, rows(PRINCIPAL, BUREAU))
        other = propose_approval_rules(unit, rows(PRINCIPAL))
        gap = propose_approval_rules(unit, rows(BUREAU, day=later))
        (waiting,) = record_proposals(unit, RecordKind.APPROVAL_RULES)
    assert {one.fate for one in again} == {Fate.DUPLICATE}
    assert {one.fate for one in other} == {Fate.CONFLICT}
    assert [(one.fate, one.field) for one in gap] == [(Fate.REJECTED, "from_amount_yuan")]
    checked(county, waiting.number)
    with county.units(county.actor("bureau")) as unit:
        assert {one.fate for one in propose_approval_rules(unit, rows(PRINCIPAL, BUREAU))} == {
            Fate.DUPLICATE
        }
    with pytest.raises(AlreadyExists):
        proposed(county, replace(TABLE, thresholds=[PRINCIPAL]))


def test_the_school_sees_the_tables_and_proposes_none(county: CountyBuilder) -> None:
    with pytest.raises(Refused):
        proposed(county, login=f"principal-{SCHOOL}")
