"""The allocation desk on pages: preview, two people, budgets, listed amounts, year's end."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.clock import FixedClock
from kernel.identity.credentials import set_password
from kernel.settings import Settings
from kernel.unit import Units
from procurement.verification import verify
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.funding_builders import (
    AMPLE_BUDGETS,
    COUNTY,
    SCHOOL,
    CountyBuilder,
    a_county,
    a_selection,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, csrf_token, sign_in
from tests.support.year_builders import settled, used

DESK = "/bureau/allocations"
FIRST = f"{COUNTY}-2026-001"


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    return a_county(units)


@pytest.fixture
def client(settings: Settings, units: Units, county: CountyBuilder) -> Iterator[TestClient]:
    with units(SYSTEM) as unit:
        for login in ("bureau", "checker", f"school_finance-{SCHOOL}"):
            person = county.actor(login).person_id
            assert person is not None
            set_password(unit, person, login=login, password=PASSWORD)
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html", "accept-language": "en"})
        yield client


def send(client: TestClient[Litestar], path: str, **form: Any):
    return client.post(
        path, data={"csrf_token": csrf_token(client), **form}, follow_redirects=False
    )


def test_one_proposes_and_another_issues_on_pages(
    client: TestClient[Litestar], county: CountyBuilder
) -> None:
    """R20: preview, proposal, home of the second person, issue, board of the school."""
    sign_in(client, "bureau")
    preview = client.get(f"{DESK}/new?year=2026").text
    assert "6,500.00" in preview
    explained = client.get(f"{DESK}/new/{SCHOOL}?year=2026").text
    assert "200 pupils × 650.00 yuan = 130,000.00 yuan" in explained
    made = send(client, DESK, year="2026")
    assert made.headers["location"] == f"{DESK}/{FIRST}"
    own = client.get(f"{DESK}/{FIRST}").text
    assert "Withdraw it" in own and "Issue 6,500.00 yuan" not in own
    refused = send(client, f"{DESK}/{FIRST}/issue")
    assert refused.status_code == 409 and "can&#39;t check it, too" in refused.text

    sign_in(client, "checker")
    assert f"Allocation {FIRST} waits to be checked" in client.get("/bureau").text
    shown = client.get(f"{DESK}/{FIRST}").text
    assert "Issue 6,500.00 yuan" in shown
    assert "130,000.00" in client.get(f"{DESK}/{FIRST}/lines/1").text
    bare = send(client, f"{DESK}/{FIRST}/return", note=" ")
    assert "only with its reason" in bare.text
    assert send(client, f"{DESK}/{FIRST}/issue").status_code == 303
    assert "Issued" in client.get(f"{DESK}/{FIRST}").text
    again = send(client, f"{DESK}/{FIRST}/issue")
    assert "was decided already" in again.text

    sign_in(client, f"school_finance-{SCHOOL}")
    assert "6,500.00" in client.get("/school/funding").text
    assert verify(county.units, SYSTEM) == []


def test_what_exceeds_the_budget_is_refused_on_the_page_and_nothing_is_issued(
    client: TestClient[Litestar], county: CountyBuilder
) -> None:
    county.budgeted(-(10**10) + 649_999, document="调减")
    sign_in(client, "bureau")
    send(client, DESK, year="2026")
    sign_in(client, "checker")
    refused = send(client, f"{DESK}/{FIRST}/issue")
    assert "0.01 yuan short" in refused.text
    assert "Issue 6,500.00 yuan" in refused.text, "it still waits"
    budget = client.get("/bureau/budgets").text
    assert "6,499.99" in budget


def test_a_budget_and_a_listed_amount_are_typed_in(
    client: TestClient[Litestar], county: CountyBuilder
) -> None:
    """R18, R20: errors stand beside their fields; the amount becomes a proposal."""
    sign_in(client, "bureau")
    form = {
        "fiscal_year": "2026",
        "source": "surcharge",
        "amount": "8,000.00",
        "document": "青财预〔2026〕7号",
        "approved_on": "2026-02-01",
    }
    wrong = send(client, "/bureau/budgets", **form | {"amount": "8.001"})
    assert 'id="error-amount"' in wrong.text
    assert send(client, "/bureau/budgets", **form).status_code == 303
    assert "recorded already, or waits" in send(client, "/bureau/budgets", **form).text
    waits = f"/bureau/records/{COUNTY}-B-{len(AMPLE_BUDGETS) + 1:03d}"
    assert waits in client.get("/bureau/budgets").text
    own = client.get(waits).text
    assert "8,000.00" in own and "Withdraw it" in own and "Check and record" not in own
    assert "can&#39;t check it" in send(client, f"{waits}/check").text
    sign_in(client, "checker")
    assert f'href="{waits}"' in client.get("/bureau").text
    assert "Record 8,000.00 yuan" in client.get(waits).text
    assert 'id="error-note"' in send(client, f"{waits}/return", note=" ").text
    assert send(client, f"{waits}/check").headers["location"] == waits
    budgets = client.get("/bureau/budgets").text
    assert "青财预〔2026〕7号" in budgets and waits not in budgets
    sign_in(client, "bureau")
    listed = {
        "payer_code": SCHOOL,
        "fiscal_year": "2026",
        "source": "surcharge",
        "document": "青教财〔2026〕8号",
        "amount": "500.00",
        "subjects": "数学；科学",
    }
    for name, value in (("payer_code", "1"), ("amount", "-1"), ("amount", ""), ("tiers", "x")):
        found = send(client, f"{DESK}/listed", **listed | {name: value})
        assert f'id="error-{name}"' in found.text, (name, value)
    assert send(client, f"{DESK}/listed", **listed).status_code == 303
    assert "gave the same amount" in send(client, f"{DESK}/listed", **listed).text
    shown = client.get(f"{DESK}/{FIRST}").text
    assert "数学, 科学" in shown and "青教财〔2026〕8号" in shown


def test_a_table_of_signatures_is_typed_previewed_and_checked(
    client: TestClient[Litestar], county: CountyBuilder
) -> None:
    """R22: the form begins with what is in force; errors, meaning, proposal, second person."""
    county.select(a_selection())
    sign_in(client, "bureau")
    rules = "/bureau/approvals/rules"
    assert f'href="{rules}/new"' in client.get(rules).text
    assert 'value="5000.00"' in client.get(f"{rules}/new").text
    typed: dict[str, Any] = {
        "valid_from": "2026-09-01",
        "reason": "青石教财〔2026〕12号",
        "role": ["principal", "", "bureau_finance"],
        "from_amount": ["0", "", "200.00"],
        "kind": ["", "", ""],
        "tier": ["", "", "growth"],
        "source": ["", "", ""],
        "again": ["", "", "yes"],
        "days": ["2", "3", "5"],
    }
    gap = send(client, rules, **typed | {"from_amount": ["1.00", "", "200.00"]})
    assert "below 1.00 yuan would need no signature" in gap.text
    early = send(client, rules, **typed | {"valid_from": "2026-01-01"})
    assert 'id="error-valid_from"' in early.text
    assert (
        'id="error-reason"' in send(client, rules, **typed | {"reason": "", "act": "propose"}).text
    )
    seen = send(client, rules, **typed)
    assert "1 selections are open and keep their signatures; 1 of them" in seen.text
    assert "Academic affairs → School finance" in seen.text
    number = f"{COUNTY}-S-001"
    made = send(client, rules, **typed | {"act": "propose"})
    assert made.headers["location"] == f"/bureau/records/{number}"
    sign_in(client, "checker")
    assert number in client.get(rules).text and number in client.get("/bureau").text
    assert "It decides for 1 school." in client.get(f"/bureau/records/{number}").text
    assert send(client, f"/bureau/records/{number}/check").status_code == 303
    shown = client.get(rules).text
    assert "青石教财〔2026〕12号" in shown and "Proposed by bureau, checked by checker" in shown
    sign_in(client, f"school_finance-{SCHOOL}")
    school = client.get("/school/approvals/rules").text
    assert "青石教财〔2026〕12号" in school and "/bureau/records/" not in school


def test_rules_are_shown_with_their_history(client: TestClient[Litestar]) -> None:
    sign_in(client, "bureau")
    page = client.get("/bureau/rules").text
    for text in (
        "国发〔2015〕67号",
        "Unverified",
        "5% (2%–10%)",
        "Each term",
        "Carry over",
        "12-31",
    ):
        assert text in page, text


def test_the_years_end_is_previewed_and_done_once(
    client: TestClient[Litestar], county: CountyBuilder, clock: FixedClock
) -> None:
    county.issue()
    clock.at = datetime(2027, 3, 31, 16, tzinfo=UTC)
    sign_in(client, "bureau")
    page = client.get("/bureau/year-end").text
    assert "Close the lines of 2026" in page and "6,500.00" in page
    assert "open until" in send(client, "/bureau/year-end", year="2027").text
    assert send(client, "/bureau/year-end", year="2026").status_code == 303
    assert "Close the lines" not in client.get("/bureau/year-end?year=2026").text
    assert "Choose a fiscal year" in send(client, "/bureau/year-end", year="x").text


def test_a_school_sees_where_its_year_leads(
    client: TestClient[Litestar], county: CountyBuilder
) -> None:
    """Three months of 0.02 yuan a use: the pace is their average, the chart says where it leads."""
    county.issue()
    county.select(a_selection(starts_on=date(2026, 3, 1), ends_on=date(2026, 6, 30)))
    county.sign_as(f"academic-{SCHOOL}", f"school_finance-{SCHOOL}")
    for month, uses in ((3, 1), (4, 2), (5, 3)):
        moments = [datetime(2026, month, day, 1, tzinfo=UTC) for day in range(1, uses + 1)]
        used(county, *moments, name=f"{month}.csv")
        settled(county, f"2026-{month:02d}")
    sign_in(client, f"school_finance-{SCHOOL}")
    page = client.get("/school/funding").text
    # 0.02 + 0.04 + 0.06 = 0.12 so far, 0.04 a month for seven months more: 0.40.
    assert "At this pace 0.40 of 6,500.00 yuan will be used by the end of 2026" in page
    assert page.count('<svg role="img"') == 2
    assert "6,499.60 yuan would be left" in page
    assert 'style="' not in page


def test_the_desk_asks_for_as_much_however_many_schools(
    client: TestClient[Litestar], county: CountyBuilder, units: Units
) -> None:
    sign_in(client, "bureau")
    for path in (DESK, f"{DESK}/new?year=2026", "/bureau/budgets", "/bureau/rules"):
        with counted_queries(units.engine) as sent:
            assert client.get(path).status_code == 200
        assert len(sent) <= 16, (path, len(sent))


def test_census_and_rules_are_listed_and_exported(
    client: TestClient[Litestar], county: CountyBuilder
) -> None:
    """R15, R16: what lines are computed from can be read and taken out, corrections as well."""
    county.counted(pupils=205, as_of=date(2026, 3, 20))
    sign_in(client, "bureau")
    assert 'href="/bureau/census"' in client.get(DESK).text
    page = client.get("/bureau/census").text
    assert "market import enrolment" in page and "205" in page
    exported = client.get("/bureau/census?format=csv&year=2026&kind=enrolled").text
    assert f"{SCHOOL},2026-03-20" in exported and "205,Stands" in exported
    assert client.get("/bureau/census?year=2026&kind=special").status_code == 200
    rules = client.get("/bureau/rules").text
    for name in ("quotas", "funding_rules"):
        address = f"/bureau/rules?table={name}&amp;format=csv"
        assert address in rules
        answer = client.get(address.replace("&amp;", "&"))
        assert answer.headers["content-type"].startswith("text/csv")
    assert "Per pupil and year" in client.get("/bureau/rules?table=quotas&format=csv").text
