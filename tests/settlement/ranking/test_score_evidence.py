"""What one score is made of, over the interface and on its page: by hand, without the product."""

import csv
import io
import math
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.clock import parse_month
from kernel.identity.regions import RegionRow, record_regions
from kernel.settings import Settings
from kernel.unit import Units
from settlement.ratings import rate
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import CITY, a_bureau, a_person, took
from tests.support.ranking_builders import (
    CELL,
    Contest,
    a_contest,
    audited,
    lived,
    ranked,
    said,
    wronged,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, sign_in

MARCH, APRIL = (parse_month(f"2026-{month:02d}") for month in (3, 4))
PAGE = {"accept": "text/html"}
API = "/api/v1/rankings/evidence"
SHARED = ("score", "sd", "p_bad", "sums", "means", "k", "phi", "components", "inputs_digest")


@pytest.fixture
def contest(units: Units) -> Contest:
    """Three schools of four teachers who rated, and one of whose teachers one did."""
    contest = a_contest(units, teachers=4)
    lived(units, contest, MARCH)
    said(units, contest, {0: 5, 1: 4, 2: 2}, schools=[0, 1, 2])
    said(units, contest, {1: 2}, schools=[1])
    with units(contest.teachers[contest.schools[3].id][0].actor) as unit:
        rate(unit, contest.sellers[1].key, stars=1)
    wronged(units, contest, MARCH, 1)
    audited(units, contest, failing=2, times=2)
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="白石县")]))
        bureaus = {
            "here": contest.bureau,
            "above": a_bureau(unit, region_code=CITY),
            "else": a_bureau(unit, region_code="990122"),
        }
        for login, bureau in bureaus.items():
            a_person(unit, bureau, [Role.AUDITOR], login=login, password=PASSWORD)
    return contest


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def told_to(client: TestClient[Litestar], login: str, key: str) -> dict[str, Any]:
    sign_in(client, login)
    answer = client.get(API, params={"key": key, "cell": CELL})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def by_hand(told: dict[str, Any], sums: dict[str, float]) -> tuple[float, float, float]:
    """Return S, sd and P_bad as docs/ranking.md has their formulae."""
    numbers, usual = told["numbers"], {n: float(v) for n, v in told["means"].items() if n != "cell"}
    k, phi = float(told["k"]), float(told["phi"])
    m1 = (k * usual["satisfaction"] + sums["said"]) / (k + sums["weight"])
    var1 = phi * m1 * (1 - m1) / (k + sums["weight"] + 1)
    k2, low = float(numbers["k_renewal"]), float(numbers["renewal_low"])
    width = float(numbers["renewal_high"]) - low
    p = (k2 * usual["renewal"] + sums["renewed"]) / (k2 + sums["decided"])
    m2 = min(max((p - low) / width, 0), 1)
    var2 = p * (1 - p) / (k2 + sums["decided"] + 1) / width**2
    k3, most = float(numbers["k_defects"]), float(numbers["defects_max"])
    rate = (k3 * usual["defects"] + sums["severity"]) / (k3 + sums["months"])
    m3 = max(1 - math.sqrt(rate / most), 0)
    var3 = float(numbers["severity_spread"]) / (4 * most * (k3 + sums["months"]))
    k4 = float(numbers["k_audit"])
    m4 = (k4 * usual["audit"] + sums["passed"]) / (k4 + sums["audits"])
    var4 = m4 * (1 - m4) / (k4 + sums["audits"] + 1)
    by = {name: float(one) for name, one in numbers["weights"].items()}
    shares = (by["satisfaction"], by["renewal"], by["defects"], by["audit"])
    score = round(100 * sum(w * m for w, m in zip(shares, (m1, m2, m3, m4), strict=True)), 4)
    spread = sum(w * w * v for w, v in zip(shares, (var1, var2, var3, var4), strict=True))
    sd = round(100 * math.sqrt(spread), 4)
    p_bad = math.erfc((score - float(numbers["tau"])) / (sd * math.sqrt(2))) / 2
    return score, sd, round(p_bad, 6)


def sums_by_hand(told: dict[str, Any]) -> dict[str, float]:
    """Return the sums from each school's evidence alone: weights, cap, leniency, terms."""
    numbers, schools = told["numbers"], [one["evidence"] | one for one in told["schools"]]
    heard = [one for one in schools if one["raters"]]
    fading = [2 ** (-one["rating_age_days"] / numbers["half_life_days"]) for one in heard]
    full = numbers["raters_for_full_weight"]
    weights = [
        min(1, one["raters"] / full) * faded for one, faded in zip(heard, fading, strict=True)
    ]
    most = max(float(numbers["cap"]), 1 / len(heard)) * sum(weights)
    counted = [min(one, most) for one in weights]
    opinions = [
        min(max(one["rating_points"] / 4 / one["raters"] - float(one["leniency"]), 0), 1)
        for one in heard
    ]
    for one, weight, opinion in zip(heard, counted, opinions, strict=True):
        assert float(one["weight"]) == pytest.approx(weight, abs=3e-6)
        assert float(one["opinion"]) == pytest.approx(opinion, abs=3e-6)
    decided = [one for one in schools if one["renewed"] + one["ended"]]
    return {
        "weight": sum(counted),
        "said": sum(w * x for w, x in zip(counted, opinions, strict=True)),
        "renewed": sum(one["renewed"] / (one["renewed"] + one["ended"]) for one in decided),
        "decided": len(decided),
        "severity": sum(one["defects"] for one in schools),
        "months": sum(one["months"] for one in schools),
        "passed": told["sums"]["passed"],
        "audits": told["sums"]["audits"],
    }


def published(told: dict[str, Any]) -> tuple[float, float, float]:
    return float(told["score"]), float(told["sd"]), float(told["p_bad"])


def test_an_auditor_has_each_digit_again_from_what_schools_said(
    client: TestClient[Litestar], contest: Contest
) -> None:
    """R45, R49: S, sd and P_bad by one's own arithmetic, from this one answer; for all vendors and
    their resources."""
    for seller in contest.sellers:
        for key in (seller.organisation.code, seller.key):
            told = told_to(client, "here", key)
            score, sd, p_bad = by_hand(told, sums_by_hand(told))
            assert (score, sd) == pytest.approx(published(told)[:2], abs=2e-4)
            assert p_bad == pytest.approx(published(told)[2], abs=5e-6)
            public = client.get("/api/v1/rankings/priors", params={"kind": told_kind(key)}).json()
            (cell,) = [one for one in public["cells"] if one["cell"] == CELL]
            assert (cell, public["k"], public["phi"]) == (told["means"], told["k"], told["phi"])
    names = {school.name for school in contest.schools}
    assert {one["school"] for one in told["schools"]} == names
    assert told_to(client, "above", contest.sellers[0].key)["schools"]
    assert told_to(client, "reviewer-1", contest.sellers[0].key)["schools"]


def told_kind(key: str) -> str:
    return "resource" if "/" in key else "vendor"


def test_a_vendor_has_each_digit_again_and_no_teacher_is_told(
    client: TestClient[Litestar], contest: Contest
) -> None:
    """R45, R58: exact sums; opinions by letters, in two places, those of few teachers together."""
    seller = contest.sellers[1]
    whole = told_to(client, "here", seller.organisation.code)
    told = told_to(client, "vendor-1", seller.organisation.code)
    assert {name: told[name] for name in SHARED} == {name: whole[name] for name in SHARED}
    assert told["sums"]["severity"] > 0 and told["sums"]["audits"] > 0
    sums = {name: float(value) for name, value in told["sums"].items()}
    assert by_hand(told, sums) == pytest.approx(published(told), abs=1e-4)
    # The school of one teacher is told with the lightest of the others.
    assert [(one["school"], one["schools"]) for one in told["schools"]] == [
        *(("A", 1), ("B", 1)),
        ("", 2),
    ]
    for one in told["schools"]:
        assert (one["evidence"], one["leniency"]) == (None, None)
        assert all(len(one[name].partition(".")[2]) == 2 for name in ("opinion", "weight"))
    assert sum(float(one["weight"]) for one in told["schools"]) == pytest.approx(
        sums["weight"], abs=0.02
    )
    assert sum(float(one["weight"]) * float(one["opinion"]) for one in told["schools"]) == (
        pytest.approx(sums["said"], abs=0.03)
    )
    page = client.get("/rankings/evidence", params={"key": seller.key}, headers=PAGE).text
    for school in contest.schools:
        for text in (str(told), page):
            assert school.name not in text and str(school.id) not in text
    assert told["set_aside"] == []


def test_what_a_score_is_made_of_is_not_there_for_others(
    client: TestClient[Litestar], contest: Contest
) -> None:
    """R45, R49: another county's auditor, another vendor, a school, everybody."""
    asked = {"key": contest.sellers[1].organisation.code}
    assert client.get(API, params=asked).status_code == 401
    for login, status in (("else", 404), ("vendor-0", 404), ("head-0", 403)):
        sign_in(client, login)
        for address in (API, "/rankings/evidence"):
            assert client.get(address, params=asked).status_code == status, (login, address)
        why = client.get(f"/rankings/vendors/{asked['key']}", headers=PAGE).text
        assert "/rankings/evidence" not in why and "/rankings/priors" in why
    sign_in(client, "vendor-1")
    why = client.get(f"/rankings/vendors/{asked['key']}", headers=PAGE).text
    assert "/rankings/evidence" in why


def test_pages_and_files_say_the_same(
    client: TestClient[Litestar], contest: Contest, engine: Any
) -> None:
    """R45, R53: the estimates for everybody, the evidence for an auditor; as CSV too."""
    priors = client.get("/rankings/priors", headers=PAGE).text
    means = client.get("/api/v1/rankings/priors").json()
    (cell,) = means["cells"]
    for number in (means["k"], means["phi"], *(v for n, v in cell.items() if n != "cell")):
        assert number in priors
    rows = [*csv.reader(io.StringIO(client.get("/rankings/priors?format=csv").text))]
    assert [row[1] for row in rows[1:]] == ["*", CELL]
    for school in contest.schools:
        assert school.name not in priors and str(school.id) not in priors
    seller = contest.sellers[1]
    told = told_to(client, "here", seller.key)
    with counted_queries(engine) as sent:
        page = client.get("/rankings/evidence", params={"key": seller.key}, headers=PAGE).text
    assert len(sent) <= 12
    for number in (told["score"], told["sd"], told["p_bad"], told["sums"]["said"]):
        assert number in page
    answer = client.get("/rankings/evidence", params={"key": seller.key, "format": "csv"})
    rows = [*csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))]
    assert [(row[0], row[5], row[6]) for row in rows[1:]] == [
        (one["school"], one["opinion"] or "", one["weight"]) for one in told["schools"]
    ]
