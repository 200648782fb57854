"""Loading the sample county: master data, money, selections, signatures, until it is complete.

Decides the order and who acts; what each act means is decided by the services that real data goes
through. Use, which comes month by month, is brought by `run`.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial

from catalog.admission import decide_admission, propose_admission
from catalog.awaiting import awaiting_decision, awaiting_proposal
from catalog.resources import record_catalogue
from kernel.actors import Role
from kernel.clock import SHANGHAI
from kernel.errors import AlreadyExists, ProposalDecided
from kernel.identity.organisations import (
    record_bureaus,
    record_evaluators,
    record_schools,
    record_vendors,
)
from kernel.identity.regions import record_regions
from kernel.outcomes import Fate, RowOutcome
from kernel.trail import record
from kernel.unit import Units
from market.demo.accounts import open_accounts
from market.demo.articles import article_offer_rows, article_rows
from market.demo.bulk import bulk_rows, line_rows
from market.demo.county import (
    COUNTY,
    PROVINCE,
    YEAR,
    bureau_rows,
    region_rows,
    school_rows,
    vendor_rows,
)
from market.demo.evaluators import CODE as EVALUATOR
from market.demo.evaluators import (
    INTEREST,
    evaluator_people,
    evaluator_rows,
    finding_rows,
)
from market.demo.evaluators import LOGIN as EVALUATOR_LOGIN
from market.demo.people import budget_rows, census_rows, learner_rows, quota_rows, staff_rows
from market.demo.rehearsal import (
    BULK_STEP,
    COMPLETE,
    SYSTEM,
    Progress,
    is_complete,
    mark_done,
    no_progress,
    on_day,
    person,
    refuse_other_data,
    sign_what_is_due,
    steps_done,
    take_in,
)
from market.demo.resources import catalogue_rows, offer_rows
from market.demo.selections import selection_rows
from market.demo.usage import PLAYER, SCHOOL_LOG
from market.imports.kinds import Kind
from market.imports.registry import MASTER_KINDS
from market.issuing import issue_year
from procurement.approval_rules import record_approval_rules
from procurement.budget_proposals import check_budget
from procurement.bulk import record_bulk
from procurement.funding.funding_rules import record_funding_rule
from procurement.funding.issuing import issue_proposal
from procurement.funding.listed import ListedRow, propose_listed
from procurement.funding.shipped import SHIPPED_RULE
from procurement.policy import BULK, Threshold
from procurement.record_proposals import RecordKind, checkable_records
from settlement.evaluation.admissions import admit_evaluator
from settlement.evaluation.finding_rows import record_findings
from settlement.metering.sources import admit_source

SET_UP_AT = datetime(YEAR, 2, 25, 9, 0, tzinfo=SHANGHAI)
SIGNED_AT = datetime(YEAR, 2, 27, 15, 30, tzinfo=SHANGHAI)

THRESHOLDS = (
    Threshold(position=1, role=Role.RESEARCH_LEAD, from_amount_fen=0),
    Threshold(position=2, role=Role.ACADEMIC, from_amount_fen=0),
    Threshold(position=3, role=Role.SCHOOL_FINANCE, from_amount_fen=0),
    Threshold(position=4, role=Role.PRINCIPAL, from_amount_fen=10_000),
    Threshold(position=5, role=Role.BUREAU_FINANCE, from_amount_fen=30_000),
    Threshold(position=6, role=Role.BUREAU_FINANCE, from_amount_fen=0, kind=BULK),
)
"""教研组 → 教务 → 财务 → 校长 → 教育局; low, so that small amounts show every signature."""


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the load; it may be repeated, and is marked when it is done."""

    name: str
    act: Callable[[Units], None]


def load_sample(units: Units, *, progress: Progress = no_progress) -> None:
    """Load the sample county, or what is missing of it; complete, it is left as it is.

    Raises `PartlyLoaded` if the database holds other organisations.
    """
    with units(SYSTEM) as unit:
        complete = is_complete(unit)
        if not complete:
            refuse_other_data(unit)
        done = steps_done(unit)
    if not complete:
        for number, step in enumerate(STEPS):
            progress(step.name, number, len(STEPS))
            if step.name not in done:
                step.act(on_day(units, SET_UP_AT))
                with units(SYSTEM) as unit:
                    mark_done(unit, step.name)
        with units(SYSTEM) as unit:
            record(unit, COMPLETE, subject_kind="sample", subject_id=COUNTY)
        progress("complete", len(STEPS), len(STEPS))
    open_accounts(units)


def _regions(units: Units) -> None:
    take_in(units, _as_sample("regions", record_regions), region_rows())


def _bureaus(units: Units) -> None:
    take_in(units, _as_sample("bureaus", record_bureaus), bureau_rows())


def _schools(units: Units) -> None:
    take_in(units, _as_sample("schools", record_schools), school_rows())


def _vendors(units: Units) -> None:
    take_in(units, _as_sample("vendors", record_vendors), vendor_rows())


def _people(units: Units) -> None:
    take_in(units, MASTER_KINDS["roster"], staff_rows() + learner_rows())


def _census(units: Units) -> None:
    take_in(units, MASTER_KINDS["enrolment"], census_rows())


def _rules(units: Units) -> None:
    """Record the sample province's own quotas and rules, so that no real figure is borrowed."""
    take_in(units, MASTER_KINDS["quotas"], quota_rows(PROVINCE))
    rule = replace(
        SHIPPED_RULE,
        region_code=PROVINCE,
        valid_from=date(YEAR, 1, 1),
        origin="示例数据：虚构的规则，不得用于实际拨款",
    )
    with units(SYSTEM) as unit:
        record_funding_rule(unit, rule)
        record_approval_rules(unit, COUNTY, valid_from=date(YEAR, 1, 1), thresholds=THRESHOLDS)


def _catalogue(units: Units) -> None:
    rows = catalogue_rows() + article_rows()
    take_in(units, _as_sample("catalogue", record_catalogue), rows)
    take_in(units, MASTER_KINDS["offers"], offer_rows() + article_offer_rows())


def _admission(units: Units) -> None:
    """Have one reviewer propose everything and another decide (R13)."""
    with units(person(units, "qinghe-admission")) as unit:
        propose_admission(unit, awaiting_proposal(unit), note="八项标准逐项核对，材料齐全")
    with units(person(units, "qinghe-admission2")) as unit:
        decide_admission(unit, awaiting_decision(unit), note="复审同意准入")


def _sources(units: Units) -> None:
    with units(person(units, "qinghe-admission")) as unit:
        admit_source(unit, code=PLAYER, name="平台播放器", trust="player")
        admit_source(unit, code=SCHOOL_LOG, name="青禾县第一初级中学作业系统日志", trust="attested")


def _lines(units: Units) -> None:
    """Have one finance person propose the year's lines and another check and issue them (R20)."""
    maker, checker = (person(units, login) for login in ("qinghe-finance", "qinghe-finance2"))
    issue_year(units, maker, checker, fiscal_year=YEAR)


def _proposal(units: Units) -> None:
    """Leave a share of the surcharge proposed for two schools, for somebody else to check."""
    rows = [
        ListedRow(
            payer_code=row["code"],
            fiscal_year=YEAR,
            source="surcharge",
            document=f"示例教财〔{YEAR}〕8号",
            amount_fen=500_000,
            stages=("primary",),
        )
        for row in school_rows()[:2]
    ]
    with units(person(units, "qinghe-finance")) as unit:
        propose_listed(unit, rows)


def _budgets(units: Units) -> None:
    """Take the year's budgets in, and have a finance person check them (R20)."""
    take_in(units, MASTER_KINDS["budgets"], budget_rows(COUNTY))
    with units(person(units, "qinghe-finance2")) as unit:
        for row in checkable_records(unit, RecordKind.BUDGET):
            check_budget(unit, row.number)


def _selections(units: Units) -> None:
    take_in(units, MASTER_KINDS["selections"], selection_rows())


def _bulk_purchase(units: Units) -> None:
    """Issue a line of the bureau's own, and request what it buys for its schools (R24)."""
    maker, checker = (person(units, login) for login in ("qinghe-finance", "qinghe-finance2"))
    with units(maker) as unit:
        (listed,) = propose_listed(unit, line_rows())
    with suppress(ProposalDecided), units(checker) as unit:  # a repeated step issued it before
        issue_proposal(unit, listed.became)
    with units(maker) as unit:
        for outcome in record_bulk(unit, bulk_rows()):
            if outcome.error is not None:
                raise outcome.error


def _signatures(units: Units) -> None:
    sign_what_is_due(on_day(units, SIGNED_AT))


def _as_sample(kind: str, service: Callable[..., list[RowOutcome]]) -> Kind:
    """Return a kind of import whose rows are recorded as sample data."""
    return replace(MASTER_KINDS[kind], record=partial(service, is_sample=True))


def _evaluator(units: Units) -> None:
    """Let a third party evaluate in the county, and file what it found (R65)."""
    take_in(units, _as_sample("evaluators", record_evaluators), evaluator_rows())
    take_in(units, MASTER_KINDS["roster"], evaluator_people())
    with suppress(AlreadyExists), units(person(units, "qinghe-operator")) as unit:
        admit_evaluator(unit, EVALUATOR, region_code=COUNTY, interest=INTEREST)
    with units(person(units, EVALUATOR_LOGIN)) as unit:
        outcomes = record_findings(unit, finding_rows())
    assert all(one.fate in {Fate.ACCEPTED, Fate.DUPLICATE} for one in outcomes), outcomes


STEPS = (
    Step("regions", _regions),
    Step("bureaus", _bureaus),
    Step("schools", _schools),
    Step("vendors", _vendors),
    Step("people", _people),
    Step("census", _census),
    Step("rules", _rules),
    Step("catalogue", _catalogue),
    Step("admission", _admission),
    Step("sources", _sources),
    Step("budgets", _budgets),
    Step("lines", _lines),
    Step("proposal", _proposal),
    Step("selections", _selections),
    Step(BULK_STEP, _bulk_purchase),
    Step("signatures", _signatures),
    Step("evaluator", _evaluator),
)
