"""The sample county: the same everywhere, by the rules of real data, with all its troubles."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from hashlib import sha256
from itertools import pairwise

import chinese_calendar
from stdnum import numdb
from stdnum.cn import uscc

from kernel.actors import ROLES_OF, OrganisationKind, Role
from market.demo import deliveries as arriving
from market.demo import usage
from market.demo.county import (
    REGIONS,
    SCHOOLS,
    VENDORS,
    bureau_rows,
    region_rows,
    school_rows,
    vendor_rows,
)
from market.demo.deliveries import MONTHS
from market.demo.people import (
    census_rows,
    departure_rows,
    learner_rows,
    learners,
    quota_rows,
    staff_rows,
)
from market.demo.resources import catalogue_rows, offer_rows, resources
from market.demo.selections import selection_rows, selections
from market.demo.usage import PLAYER, SCHOOL_LOG

deliveries = cache(arriving.deliveries)
player_uses = cache(usage.player_uses)
logged_uses = cache(usage.logged_uses)

DIGEST = """
import json
from hashlib import sha256
from market.demo.county import *
from market.demo.deliveries import deliveries
from market.demo.people import *
from market.demo.resources import catalogue_rows, offer_rows
from market.demo.selections import selection_rows
rows = [region_rows(), bureau_rows(), school_rows(), vendor_rows(), staff_rows(), learner_rows(),
        census_rows(), quota_rows(PROVINCE), catalogue_rows(), offer_rows(), selection_rows(),
        [one.rows for one in deliveries()]]
print(sha256(json.dumps(rows).encode()).hexdigest())
"""


def test_another_process_with_another_hash_seed_makes_the_same_rows():
    rows = [
        region_rows(),
        bureau_rows(),
        school_rows(),
        vendor_rows(),
        staff_rows(),
        learner_rows(),
        census_rows(),
        quota_rows("990000"),
        catalogue_rows(),
        offer_rows(),
        selection_rows(),
        [one.rows for one in deliveries()],
    ]
    here = sha256(json.dumps(rows).encode()).hexdigest()

    there = subprocess.run(
        [sys.executable, "-c", DIGEST],
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "America/Lima", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=True,
    )

    assert there.stdout.strip() == here


def test_the_codes_mean_no_real_place():
    for code, _, _, _ in REGIONS:
        assert not numdb.get("cn/loc").info(code)[0][1]


def test_there_is_a_county_with_its_city_and_province():
    assert [row["level"] for row in region_rows()] == ["province", "city", "county"]
    assert all("示例" in row["name"] for row in region_rows() + bureau_rows())
    assert len([row for row in school_rows() if not row["parent_code"]]) == 12


def test_schools_differ_in_size_stage_and_kind():
    sizes = {school.slug: sum(school.pupils.values()) for school in SCHOOLS}
    points = [school for school in SCHOOLS if school.parent]

    assert [school.slug for school in SCHOOLS if school.small_rural and not school.parent] == [
        "yunling"
    ]
    assert sizes["yunling"] < 100
    assert len(points) == 2 and len({point.parent for point in points}) == 1
    assert any(school.boarding for school in SCHOOLS)
    assert {tuple(school.pupils) for school in SCHOOLS} == {
        ("primary",),
        ("junior",),
        ("senior",),
        ("primary", "junior"),
    }
    assert max(sizes.values()) > 20 * min(sizes.values())


def test_vendors_are_eight_firms_with_valid_codes_and_three_selling_teachers():
    firms = [vendor for vendor in VENDORS if not vendor.school]
    teachers = [vendor for vendor in VENDORS if vendor.school]

    assert len(firms) == 8 and all(uscc.is_valid(firm.code) for firm in firms)
    assert len(teachers) == 3 and all(teacher.code.startswith("T-") for teacher in teachers)
    assert {teacher.school for teacher in teachers} <= {school.code for school in SCHOOLS}


def test_no_code_number_or_login_is_given_twice():
    people = staff_rows() + learner_rows()
    for keys in (
        [row["code"] for row in school_rows() + vendor_rows()],
        [row["person_no"] for row in people],
        [row["login"] for row in people if row["login"]],
        [(row["vendor_code"], row["sku"]) for row in catalogue_rows()],
        [(row["school_code"], row["reference"]) for row in selection_rows()],
    ):
        assert Counter(keys).most_common(1)[0][1] == 1


def test_everybody_holds_a_role_that_fits_the_organisation():
    for row in staff_rows() + learner_rows():
        assert Role(row["role"]) in ROLES_OF[OrganisationKind(row["organisation_kind"])]
    for school in SCHOOLS:
        if not school.parent:
            held = {row["role"] for row in staff_rows() if row["organisation_code"] == school.code}
            assert {"academic", "school_finance", "principal", "research_lead", "teacher"} <= held


def test_the_census_counts_the_roster_but_for_those_who_joined_after_it():
    counted = Counter()
    for row in census_rows():
        if row["basis"] == "spring" and row["kind"] in {"enrolled", "special"}:
            counted[row["school_code"]] += int(row["pupils"])
    rostered = Counter(learner.school.code for learner in learners())

    assert {
        school.slug: rostered[school.code] - counted[school.code]
        for school in SCHOOLS
        if rostered[school.code] != counted[school.code]
    } == {"shiqiao": 2}


def test_sixty_resources_cover_kinds_tiers_and_stages():
    rows = catalogue_rows()

    assert len(rows) == 60
    assert {row["kind"] for row in rows} == {"basic", "personalised", "school_based"}
    assert {row["tier"] for row in rows} == {"basic", "growth", "innovation"}
    assert {row["stage"] for row in rows} == {"primary", "junior", "senior", ""}
    assert "bo" in {row["language"] for row in rows}


def test_basic_resources_are_free_and_the_others_have_a_price():
    for resource in resources():
        if resource.kind == "basic":
            assert resource.unit_price == 0
        elif resource.plan == "flat":
            assert Decimal(20) <= resource.unit_price <= Decimal(200)
        else:
            assert Decimal("0.05") <= resource.unit_price <= Decimal("1.50")


def test_the_sample_shows_several_plans_in_use():
    taken = {one.resource.plan for one in selections()}
    tiered = [one for one in selections() if one.resource.facts["tiers"]]
    assert taken == {"per_use", "per_learner", "flat"} and tiered


def test_every_selection_serves_learners_and_free_ones_commit_nothing():
    assert 60 <= len(selections()) <= 120
    for one in selections():
        assert any(one.resource.suits(stage) for stage in one.school.pupils)
        assert (one.ceiling_yuan == 0) == one.resource.is_free


def test_vendors_compete_where_mathematics_is_exercised():
    used_by: dict[tuple[str, str], set[str]] = {}
    for one in selections():
        facts = one.resource.facts
        if facts["subject"] == "数学" and one.resource.type == "习题":
            place = (one.resource.stage, one.resource.vendor.slug)
            used_by.setdefault(place, set()).add(one.school.slug)
    ranked = Counter(stage for (stage, _), schools in used_by.items() if len(schools) >= 3)
    assert ranked["primary"] >= 3
    assert ranked["junior"] >= 2


def test_some_selections_are_used_above_their_ceiling():
    uses = Counter()
    for use in player_uses() + logged_uses():
        uses[use.selection.school.code, use.selection.reference] += use.quantity
    above = [
        one
        for one in selections()
        if one.resource.plan == "per_use"
        and uses[one.school.code, one.reference] * one.resource.unit_price > one.ceiling_yuan
    ]

    assert 5 <= len(above) <= 25


def test_lessons_are_on_school_days_and_use_follows_the_bell_and_the_week():
    lessons = [use for use in player_uses() if not use.selection.for_evenings]
    hours = Counter(use.at.hour for use in player_uses())
    days = Counter(use.at.weekday() for use in player_uses())

    assert all(chinese_calendar.is_workday(use.at.date()) for use in lessons)
    assert hours[10] > hours[8] and hours[19] > hours[17] and hours[12] == hours[3] == 0
    assert days[5] < days[4] < days[2]


def test_a_second_click_follows_within_thirty_seconds():
    pairs = [
        (first, second)
        for first, second in pairwise(
            sorted(player_uses(), key=lambda use: (use.session, use.at, use.event_id))
        )
        if first.session == second.session
    ]

    assert len(pairs) > 500
    assert all(second.at - first.at < timedelta(seconds=30) for first, second in pairs)


def test_a_term_of_deliveries_has_thirty_to_sixty_thousand_rows():
    assert 30_000 <= sum(len(one.rows) for one in deliveries()) <= 60_000
    assert {(one.month, one.source) for one in deliveries()} == {
        (month, source) for month in MONTHS for source in (PLAYER, SCHOOL_LOG)
    }


def test_deliveries_carry_duplicates_conflicts_and_late_rows():
    seen: dict[str, dict[str, str]] = {}
    duplicates = conflicts = late = 0
    for delivery in deliveries():
        for row in delivery.rows:
            content = {name: value for name, value in row.items() if name != "time"}
            known = seen.setdefault(row["event_id"], content)
            if known is not content:
                duplicates += known == content
                conflicts += known != content
            if (
                row["time"].startswith("2026-0")
                and row["time"][:7] < delivery.month.isoformat()[:7]
            ):
                late += 1

    assert duplicates > 500 and conflicts > 30 and late > 200


def test_deliveries_carry_what_must_be_quarantined():
    known_learners = {learner.number for learner in learners()}
    known_skus = {resource.sku for resource in resources()}
    selected = {(one.school.code, one.resource.sku) for one in selections()}
    payer = {school.code: school.payer for school in SCHOOLS}
    rows = [row for delivery in deliveries() for row in delivery.rows]

    def unreadable(row):
        try:
            return datetime.fromisoformat(row["time"]).tzinfo is None
        except ValueError:
            return True

    assert sum(row["learner"] not in known_learners for row in rows) > 20
    assert sum(row["sku"] not in known_skus for row in rows) > 5
    assert sum((payer[row["school_code"]], row["sku"]) not in selected for row in rows) > 40
    assert sum(unreadable(row) for row in rows) > 10


def test_learners_who_left_go_on_using_and_their_school_reports_them():
    left = {row["person_no"]: row["left_on"] for month in MONTHS for row in departure_rows(month)}
    used_after = [
        row
        for delivery in deliveries()
        for row in delivery.rows
        if row["learner"] in left and row["time"][:10] >= left[row["learner"]]
    ]

    assert len(left) == 18
    assert len(used_after) > 40
