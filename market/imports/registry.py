"""Every kind of master data that can be imported: its columns, its row, its service.

The order is that in which an installation is filled: what is named by a code must be there first.
"""

from decimal import Decimal
from typing import Final

from catalog.criteria import Criterion
from catalog.offers import OfferRow, record_offers
from catalog.plans import parse_tiers
from catalog.resources import CatalogueRow, record_catalogue
from catalog.vocabularies import VOCABULARIES as WORDS
from kernel.identity.census import CensusRow, record_census
from kernel.identity.organisations import (
    BureauRow,
    EvaluatorRow,
    SchoolRow,
    VendorRow,
    record_bureaus,
    record_evaluators,
    record_schools,
    record_vendors,
)
from kernel.identity.people import RosterRow, record_roster
from kernel.identity.regions import RegionRow, record_regions
from market.imports.fields import (
    BASES,
    CENSUS_KINDS,
    FINDING_SUBJECTS,
    KINDS,
    LEVELS,
    ORGANISATION_KINDS,
    OWNERSHIPS,
    PAYEE_KINDS,
    PLANS,
    QUOTA_KINDS,
    RETURN_RESULTS,
    ROLES,
    RULE_KINDS,
    SETTINGS,
    SOURCES,
    STAGES,
    TIERS,
    VENDOR_KINDS,
    YES_NO,
    day,
    fen,
    key,
    listed,
    one_of,
    several_of,
    signed_fen,
    unit_price,
    whole_number,
    year,
)
from market.imports.kinds import Column, Kind
from procurement.approval_rule_proposals import RuleRow, propose_approval_rules
from procurement.budget_proposals import propose_budgets
from procurement.bulk import BulkRow, record_bulk
from procurement.funding.desk import beyond_budget
from procurement.funding.headcount import unsaid_counts
from procurement.funding.listed import ListedRow, propose_listed
from procurement.funding.quotas import QuotaRow, record_quotas
from procurement.policy import DUE_WORKDAYS
from procurement.selection_facts import SelectionRow
from procurement.selections import record_selections
from settlement.budgets import BudgetRow
from settlement.evaluation.finding_rows import FindingRow, record_findings
from settlement.payments.bank_accounts import BankAccountRow, record_bank_accounts
from settlement.payments.fapiao import FapiaoRow, record_fapiao
from settlement.payments.treasury import ReturnRow, record_returns

_KINDS: Final = (
    Kind(
        name="regions",
        identity=("code",),
        columns=(
            Column("code", "330101", key),
            Column("name", "示例县"),
            Column("level", "county", one_of(LEVELS), blank=""),
            Column("parent_code", "330100", key, blank=""),
        ),
        make=RegionRow,
        record=record_regions,
    ),
    Kind(
        name="bureaus",
        identity=("region_code",),
        columns=(Column("region_code", "330101", key), Column("name", "示例县教育局")),
        make=BureauRow,
        record=record_bureaus,
    ),
    Kind(
        name="schools",
        identity=("code",),
        columns=(
            Column("code", "3301010001", key),
            Column("name", "示例县第一小学"),
            Column("region_code", "330101", key),
            Column("parent_code", "", key, blank=""),
            Column("stages", "primary;junior", several_of(STAGES), blank=()),
            Column("setting", "rural", one_of(SETTINGS), blank=""),
            Column("small_rural", "no", one_of(YES_NO), blank=False),
        ),
        make=SchoolRow,
        record=record_schools,
    ),
    Kind(
        name="vendors",
        identity=("code",),
        columns=(
            Column("code", "91110000ABCD00000J", key),
            Column("name", "示例教育科技有限公司"),
            Column("vendor_kind", "firm", one_of(VENDOR_KINDS)),
            Column("region_code", "330101", key),
            Column("school_code", "", key, blank=""),
        ),
        make=VendorRow,
        record=record_vendors,
    ),
    Kind(
        name="roster",
        identity=("person_no",),
        columns=(
            Column("person_no", "S202600001", key),
            Column("name", "王示例", blank=""),
            Column("organisation_kind", "school", one_of(ORGANISATION_KINDS), blank=""),
            Column("organisation_code", "3301010001", key, blank=""),
            Column("role", "learner", several_of(ROLES), blank=(), attribute="roles"),
            Column("stage", "primary", one_of(STAGES), blank=""),
            Column("grade", "五年级", key, blank=""),
            Column("class_name", "2班", key, blank=""),
            Column("joined_on", "2025-09-01", day, blank=None),
            Column("left_on", "", day, blank=None),
            Column("login", "", key, blank=""),
        ),
        make=RosterRow,
        record=record_roster,
    ),
    Kind(
        name="enrolment",
        identity=("school_code", "stage", "kind", "as_of"),
        columns=(
            Column("school_code", "3301010001", key),
            Column("stage", "primary", one_of(STAGES), blank=""),
            Column("kind", "enrolled", one_of(CENSUS_KINDS)),
            Column("as_of", "2026-03-01", day),
            Column("basis", "spring", one_of(BASES)),
            Column("pupils", "312", whole_number),
        ),
        make=CensusRow,
        record=record_census,
        warn_rows=unsaid_counts,
    ),
    Kind(
        name="quotas",
        identity=("region_code", "stage", "kind", "valid_from"),
        columns=(
            Column("region_code", "330101", key),
            Column("stage", "primary", one_of(STAGES), blank=""),
            Column("kind", "base", one_of(QUOTA_KINDS)),
            Column("valid_from", "2026-01-01", day),
            Column("amount_yuan", "650.00", fen, attribute="amount_fen"),
            Column("source", "示例县财教〔2026〕1号"),
            Column("verified", "yes", one_of(YES_NO)),
        ),
        make=QuotaRow,
        record=record_quotas,
    ),
    Kind(
        name="budgets",
        identity=("region_code", "fiscal_year", "source", "document"),
        columns=(
            Column("region_code", "330101", key),
            Column("fiscal_year", "2026", year),
            Column("source", "per_student", one_of(SOURCES)),
            Column("amount_yuan", "300000.00", signed_fen, attribute="amount_fen"),
            Column("document", "示例县财预〔2026〕1号", key),
            Column("approved_on", "2026-01-20", day),
        ),
        make=BudgetRow,
        record=propose_budgets,
        then="They wait for another finance person: market fund check-budget --all --as LOGIN.",
    ),
    Kind(
        name="approval-rules",
        columns=(
            Column("region_code", "330101", key),
            Column("valid_from", "2026-09-01", day),
            Column("position", "1", whole_number),
            Column("role", "academic", one_of(ROLES)),
            Column("from_amount_yuan", "0.00", fen, attribute="from_amount_fen"),
            Column("kind", "", one_of(RULE_KINDS), blank=""),
            Column("tier", "", one_of(TIERS), blank=""),
            Column("source", "", one_of(SOURCES), blank=""),
            Column("may_repeat", "no", one_of(YES_NO), blank=False),
            Column("due_workdays", "3", whole_number, blank=DUE_WORKDAYS),
            Column("reason", "示例县教财〔2026〕12号", blank=""),
        ),
        make=RuleRow,
        record=propose_approval_rules,
        identity=("region_code", "valid_from", "position"),
        then="They wait for another finance person: market approval-rules check NUMBER --as LOGIN.",
    ),
    Kind(
        name="allocations",
        identity=("payer_code", "fiscal_year", "source", "document"),
        columns=(
            Column("payer_code", "3301010001", key),
            Column("fiscal_year", "2026", year),
            Column("source", "special_fund", one_of(SOURCES)),
            Column("document", "示例县教财〔2026〕8号", key),
            Column("amount_yuan", "5000.00", signed_fen, blank=None, attribute="amount_fen"),
            Column("fund_yuan", "", fen, blank=None, attribute="fund_fen"),
            Column("subjects", "数学;科学", listed, blank=()),
            Column("tiers", "", several_of(TIERS), blank=()),
            Column("stages", "primary", several_of(STAGES), blank=()),
            Column("schools", "", listed, blank=()),
        ),
        make=ListedRow,
        record=propose_listed,
        warn=beyond_budget,
    ),
    Kind(
        name="catalogue",
        identity=("vendor_code", "sku"),
        columns=(
            Column("vendor_code", "91110000ABCD00000J", key),
            Column("sku", "MATH-5A-01", key),
            Column("title", "五年级上册数学互动练习"),
            Column("kind", "personalised", one_of(KINDS)),
            Column("tier", "growth", one_of(TIERS)),
            Column("stage", "primary", one_of(STAGES), blank=""),
            Column("subject", "数学", key, blank="", vocabulary=WORDS["subject"]),
            Column("grade", "五年级", key, blank="", vocabulary=WORDS["grade"]),
            Column("type", "互动练习", key, blank="", vocabulary=WORDS["type"]),
            Column("language", "zh-CN", key, blank="zh-CN", vocabulary=WORDS["language"]),
            Column("licence", "授权学校教学使用", blank="", vocabulary=WORDS["licence"]),
            Column("author", "示例作者", blank=""),
            Column("keywords", "分数;小数", listed, blank=()),
            Column("conditions", "联网", blank=""),
            Column("address", "", blank=""),
            Column("launch_url", "", blank=""),
            Column("ownership", "personal", one_of(OWNERSHIPS), blank="personal"),
            Column("school_share", "", unit_price, blank=Decimal(0)),
            Column("edition", "人教版", key, blank="", vocabulary=WORDS["edition"]),
            Column("chapter", "五年级上册/小数乘法", blank=""),
            Column("bandwidth_mbps", "2", unit_price, blank=None),
            Column("devices", "投影;音箱", listed, blank=(), vocabulary=WORDS["device"]),
            Column("offline", "none", key, blank="", vocabulary=WORDS["offline"]),
            Column("parts", "", listed, blank=()),
            *(Column(f"check_{one}", "", blank="") for one in Criterion),
            Column("commitment", "", blank=""),
            Column("filing_number", "", key, blank=""),
            Column("suits_stages", "", several_of(STAGES), blank=()),
            Column("suits_conditions", "", blank=""),
        ),
        make=CatalogueRow,
        record=record_catalogue,
    ),
    Kind(
        name="offers",
        identity=("vendor_code", "sku", "valid_from"),
        columns=(
            Column("vendor_code", "91110000ABCD00000J", key),
            Column("sku", "MATH-5A-01", key),
            Column("valid_from", "2026-01-01", day),
            Column("plan", "per_use", one_of(PLANS)),
            Column("unit_price_yuan", "0.0200", unit_price),
            Column("tiers", "1000:0.0200;*:0.0100", parse_tiers, blank=()),
            Column("free_allowance", "100", whole_number, blank=None),
            Column("period_cap_yuan", "300.00", unit_price, blank=None),
            Column("learner_cap", "40", whole_number, blank=None),
        ),
        make=OfferRow,
        record=record_offers,
    ),
    Kind(
        name="selections",
        identity=("school_code", "reference"),
        columns=(
            Column("reference", "2026-001", key),
            Column("school_code", "3301010001", key),
            Column("vendor_code", "91110000ABCD00000J", key),
            Column("sku", "MATH-5A-01", key),
            Column("starts_on", "2026-03-01", day),
            Column("ends_on", "2026-06-30", day),
            Column("ceiling_yuan", "500.00", fen, attribute="ceiling_fen"),
            Column("reason", "五年级巩固练习"),
            Column("requested_by", "T202600001", key),
            Column("next_year_ceiling_yuan", "", fen, blank=None, attribute="later_fen"),
            Column("trial", "no", one_of(YES_NO), blank=False),
        ),
        make=SelectionRow,
        record=record_selections,
    ),
    Kind(
        name="bulk",
        columns=(
            Column("reference", "2026-B01", key),
            Column("vendor_code", "91110000ABCD00000J", key),
            Column("sku", "MATH-5A-01", key),
            Column("starts_on", "2026-03-01", day),
            Column("ends_on", "2026-06-30", day),
            Column("ceiling_yuan", "20000.00", fen, attribute="ceiling_fen"),
            Column("reason", "全县五年级巩固练习"),
            Column("school_code", "3301010001", key),
            Column("school_ceiling_yuan", "500.00", fen, attribute="school_ceiling_fen"),
            Column("next_year_ceiling_yuan", "", fen, blank=None, attribute="later_fen"),
        ),
        make=BulkRow,
        record=record_bulk,
        identity=("reference", "school_code"),
    ),
    Kind(
        name="treasury-returns",
        identity=("order_no", "voucher_no"),
        columns=(
            Column(
                "order_no", "330101-P-2026-03-01:order:3301010001:platform:2026-per_student", key
            ),
            Column("voucher_no", "202604150001", key),
            Column("result", "paid", one_of(RETURN_RESULTS)),
            Column("amount_yuan", "128.50", fen, attribute="amount_fen"),
            Column("reason", "", blank=""),
        ),
        make=ReturnRow,
        record=record_returns,
        by_row=True,
    ),
    Kind(
        name="bank-accounts",
        identity=("kind", "code"),
        columns=(
            Column("kind", "vendor", one_of(PAYEE_KINDS)),
            Column("code", "91110000ABCD00000J", key),
            Column("holder", "示例教育科技有限公司"),
            Column("bank", "示例银行示例县支行"),
            Column("number", "6222020200001234567", key),
            Column("branch_code", "102345678901", key, blank=""),
            Column("because", "", blank=""),
        ),
        make=BankAccountRow,
        record=record_bank_accounts,
    ),
    Kind(
        name="fapiao",
        identity=("number",),
        columns=(
            Column("number", "26117000000000000001", key),
            Column("vendor_code", "91110000ABCD00000J", key),
            Column("statement", "3301010001-2026-03", key),
            Column("amount_yuan", "128.50", fen, attribute="amount_fen"),
            Column("issued_on", "2026-04-10", day),
            Column("corrects", "", key, blank=""),
            Column("credit_note", "", key, blank=""),
        ),
        make=FapiaoRow,
        record=record_fapiao,
    ),
    Kind(
        name="evaluators",
        identity=("code",),
        columns=(
            Column("code", "91110000ABCD00000J", key),
            Column("name", "示例教育评估中心"),
            Column("region_code", "330101", key),
        ),
        make=EvaluatorRow,
        record=record_evaluators,
    ),
    Kind(
        name="findings",
        identity=("kind", "key", "finding", "source", "found_on"),
        columns=(
            Column("kind", "school", one_of(FINDING_SUBJECTS)),
            Column("key", "3301010001", key, blank=""),
            Column("finding", "课堂抽测二十节，播放流畅，字幕齐全"),
            Column("source", "2026 年春季现场抽测报告"),
            Column("found_on", "2026-03-20", day),
        ),
        make=FindingRow,
        record=record_findings,
    ),
)

MASTER_KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in _KINDS}
