"""The sample county goes through the services of real data, and its books close to the fen."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

import pytest
from litestar.testing import TestClient
from sqlalchemy import func, select

from catalog.models import Resource
from kernel.actors import system_actor
from kernel.clock import SHANGHAI, FixedClock
from kernel.errors import PartlyLoaded
from kernel.identity.credentials import NO_PASSWORD
from kernel.identity.models import NATION, Credential, Organisation, Region
from kernel.identity.organisations import BureauRow, record_bureaus
from kernel.identity.regions import RegionRow, record_regions
from kernel.trail import TrailRow
from market.demo import deliveries as arriving
from market.demo import load, run
from market.demo.accounts import close_accounts, demo_accounts, open_accounts
from market.demo.bulk import REFERENCE, bulk_rows
from market.demo.county import COUNTY, SCHOOLS, VENDORS
from market.demo.deliveries import MONTHS
from market.demo.invoices import ISSUER
from market.demo.load import load_sample
from market.demo.openings import OPENINGS_A_MONTH
from market.demo.opinions import openings_in
from market.demo.payments import DECLINED
from market.demo.run import run_demo
from procurement.models import Selection
from procurement.verification import verify
from settlement.dispute_models import CreditNote
from settlement.models import Agreement, StatementLine
from settlement.payment_models import Fapiao, Payment
from settlement.queries.credits import years_of_teachers
from settlement.queries.lines import lines_of
from settlement.queries.payments import fapiao_of, overdue
from settlement.queries.unfunded import memoranda
from settlement.school_standings import school_standings
from tests.support.application import an_app
from tests.support.database import fresh_database, warm_engine
from tests.support.links import dead_links

SYSTEM = system_actor("test")

# That each call makes the same rows is shown in `test_sample_county`.
deliveries = cache(arriving.deliveries)


def power_cut(*_args, **_kwargs):
    raise KeyboardInterrupt


def trail_rows(units):
    with units(SYSTEM) as unit:
        return unit.session.scalar(select(func.count()).select_from(TrailRow))


def selections_by_state(units):
    with units(SYSTEM) as unit:
        rows = unit.session.execute(select(Selection.state, func.count()).group_by(Selection.state))
        return dict(rows.all())


def test_a_load_that_was_killed_goes_on_and_a_complete_one_is_left_alone(units, monkeypatch):
    steps = load.STEPS
    for number in (4, 9):
        cut = (*steps[:number], load.Step(steps[number].name, power_cut), *steps[number + 1 :])
        monkeypatch.setattr(load, "STEPS", cut)
        with pytest.raises(KeyboardInterrupt):
            load_sample(units)
    monkeypatch.setattr(load, "STEPS", steps)
    load_sample(units)
    before = trail_rows(units)

    load_sample(units)

    assert trail_rows(units) == before
    assert set(selections_by_state(units)) == {"approved"}


def test_each_step_may_be_repeated_and_all_is_marked_as_sample_data(units):
    load_sample(units)
    before = selections_by_state(units)

    for step in load.STEPS:
        step.act(load.on_day(units, load.SET_UP_AT))

    assert selections_by_state(units) == before
    with units(SYSTEM) as unit:
        assert unit.session.scalar(select(func.count(Agreement.id))) == before["approved"]
    with units(SYSTEM) as unit:
        assert not unit.session.scalars(
            select(Organisation.name).where(~Organisation.is_sample)
        ).all()
        assert unit.session.scalars(select(Region.code).where(~Region.is_sample)).all() == [NATION]
        assert not unit.session.scalars(select(Resource.sku).where(~Resource.is_sample)).all()


def test_it_is_not_loaded_beside_somebodys_own_data(units):
    with units(SYSTEM) as unit:
        record_regions(unit, [RegionRow(code="63", name="青海省")])
        record_bureaus(unit, [BureauRow(region_code="630000", name="青海省教育厅")])

    with pytest.raises(PartlyLoaded):
        load_sample(units)


def test_accounts_open_in_demo_mode_only_and_close_without_it(units):
    load_sample(units)
    assert not opened(units)

    open_accounts(in_demo_mode(units))
    assert opened(units) == sorted(account.login for account in demo_accounts())

    close_accounts(units)
    assert not opened(units)


@pytest.mark.long
def test_a_term_is_delivered_closed_confirmed_and_posted_the_same_everywhere(
    units, settings, server, clock, monkeypatch
):
    monkeypatch.setattr(run, "deliveries", deliveries)
    load_sample(units)

    outcome = run_demo(units)

    assert [one["period"] for one in outcome["periods"]] == [
        "2026-03",
        "2026-04",
        "2026-05",
        "2026-06",
    ]
    for one in (outcome, *outcome["periods"]):
        quarantined = sum(one["quarantined"].values())
        shares = sum(
            one[f"{name}_fen"] for name in ("vendor", "school_share", "platform_fee", "retention")
        )
        assert one["received"] == (
            one["accepted"] + one["duplicates"] + one["conflicts"] + quarantined
        )
        assert one["drawn_fen"] == shares
        assert one["billed_fen"] == one["drawn_fen"] + one["uncovered_fen"] + one["waiting_fen"]
        assert one["statements"] == 13  # twelve schools, and the bureau for its bulk purchase
        assert one["ledger_balanced"] is True
    received = sum(one["received"] for one in outcome["periods"])
    delivered = sum(len(delivery.rows) for delivery in deliveries())
    opened = sum(OPENINGS_A_MONTH + openings_in(month) for month in MONTHS)
    assert received + outcome["undated"]["received"] == delivered + opened
    assert outcome["above_ceiling_fen"] > 0
    assert [one["states"] for one in outcome["periods"]] == [
        *([{"posted": 13}] * 3),
        {"posted": 12, "stated": 1},  # one school's dispute waits
    ]
    assert outcome["periods"][0]["credited_fen"] > 0
    assert outcome["periods"][0]["late"] > 0
    assert_the_bulk_purchase_is_billed_by_school(units)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        agreed = memoranda(unit)
        read = [(one.articles, one.reading) for one in years_of_teachers(unit) if one.reading]
    assert read == [(3, 1_875)] * 4, "two teachers of each of two schools read three articles"
    assert {(one.fiscal_year, one.standing_fen) for one in agreed} == {(2027, 0)}
    assert outcome["payments"] == {**outcome["payments"], "runs": 4, "differences": 0}
    assert_one_statement_is_overdue(units)
    assert_a_firm_invoiced_what_it_billed(units)
    before = trail_rows(units)
    assert run_demo(units) == outcome
    assert trail_rows(units) == before
    assert summary_elsewhere(units, server, clock, monkeypatch) == json.dumps(outcome)
    assert_every_link_leads_on(units, settings)


def assert_every_link_leads_on(units, settings):
    """No page of anybody's leads to a refusal."""
    open_accounts(in_demo_mode(units))
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        one_of_each = {account.role: account for account in demo_accounts()}
        del one_of_each["learner"]  # who opens resources by buttons
        for account in one_of_each.values():
            client.cookies.clear()
            answer = client.post(
                "/sign-in", data={"login": account.login, "password": account.password}
            )
            assert answer.status_code == 200, answer.text
            assert answer.url.path != "/sign-in", answer.text
            dead, followed = dead_links(client, start=answer.url.path)
            assert dead == {}, account.login
            assert followed > 10, account.login


def assert_one_statement_is_overdue(units):
    """R62: one school's bank declined its last month; all else is paid, as far as it is due."""
    autumn = replace(units, clock=FixedClock(datetime(2026, 9, 30, tzinfo=SHANGHAI)))
    code = next(one.code for one in SCHOOLS if one.slug == DECLINED)
    with autumn(SYSTEM) as unit:
        (late,) = overdue(unit)
        failed = unit.session.scalars(
            select(Payment.key).where(Payment.kind == "collection", Payment.state == "failed")
        ).one()
    assert (late.payer_code, late.month) == (code, MONTHS[-1])
    assert late.open_fen == late.due_fen > 0
    assert code in failed


def assert_a_firm_invoiced_what_it_billed(units):
    """R64: one number of twenty digits for each statement, and a red one for the credit note."""
    code = next(one.code for one in VENDORS if one.slug == ISSUER)
    with units(SYSTEM) as unit:
        vendor = unit.session.scalars(select(Organisation).where(Organisation.code == code)).one()
        rows = fapiao_of(unit, vendor.id)
        credit = unit.session.scalars(select(CreditNote)).one()
        noted = unit.session.scalars(select(Fapiao.credit_note_id).where(Fapiao.kind == "red"))
        assert noted.all() == [credit.id]
        billed = unit.session.scalar(
            select(func.sum(StatementLine.drawn_fen)).where(StatementLine.vendor_id == vendor.id)
        )
    red = [one for one in rows if one.kind == "red"]
    assert {len(one.number) for one in rows} == {20}
    assert [-one.amount_fen for one in red] == [credit.drawn_fen]
    assert red[0].corrects in {one.number for one in rows if one.kind == "blue"}
    assert sum(one.amount_fen for one in rows) == billed - credit.drawn_fen


def assert_the_bulk_purchase_is_billed_by_school(units):
    """Month by month; the school with too low a ceiling of its own is cut at it."""
    number = f"{COUNTY}-{REFERENCE}"
    with units(SYSTEM) as unit:
        lines = [line for line in lines_of(unit) if line.agreement_number == number]
        agreement = unit.session.scalars(select(Agreement).where(Agreement.number == number)).one()
        schools = school_standings(unit, [agreement.id])
    assert len(lines) == len(MONTHS)
    assert len(schools) == len(bulk_rows())
    assert sum(one.billed_fen for one in schools) == sum(line.amount_fen for line in lines)
    assert [one.billed_fen == one.ceiling_fen for one in schools if one.above_fen] == [True]


def summary_elsewhere(units, server, clock, monkeypatch):
    """Return the summary of a fresh database, made on another day and with two power cuts."""
    with fresh_database(server) as url, warm_engine(url, worlds=False) as engine:
        later = FixedClock(clock.now() + timedelta(days=100))
        other = replace(units, engine=engine, clock=later)
        load_sample(other)
        for interrupted in ("import_usage", "confirm_for_payers"):
            with monkeypatch.context() as cut:
                cut.setattr(run, interrupted, power_cut)
                with pytest.raises(KeyboardInterrupt):
                    run_demo(other)
        return json.dumps(run_demo(other))


def in_demo_mode(units):
    return replace(units, settings=replace(units.settings, demo=True))


def opened(units):
    with units(SYSTEM) as unit:
        return sorted(
            unit.session.scalars(
                select(Credential.login).where(Credential.password_hash != NO_PASSWORD)
            )
        )
