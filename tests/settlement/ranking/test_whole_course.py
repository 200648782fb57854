"""A vendor that stood well falls step by step, and an upheld appeal sets it right: by calls."""

from datetime import timedelta

from litestar.testing import TestClient

from kernel.clock import parse_month
from kernel.settings import Settings
from kernel.unit import Units
from settlement.verify.rankings import check_rankings
from tests.settlement.ranking.test_api import a_step, as_person, own, upheld
from tests.support.application import an_app
from tests.support.ranking_builders import APRIL, BAD, lived, ranked, said, wronged
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import liked

MAY, OCTOBER, NOVEMBER = (parse_month(f"2026-{month:02d}") for month in (5, 10, 11))


def test_from_normal_to_suspended_and_back_by_an_appeal(settings: Settings, units: Units) -> None:
    """R44: each step waits for its look, its term and its person; what is struck out is undone."""
    contest = liked(units)
    ranked(units, APRIL)
    with TestClient(an_app(settings, units)) as client:
        as_person(client, f"vendor-{BAD}")
        assert own(client)["state"] == "normal"
        address = f"/api/v1/standings/{own(client)['id']}"
        said(units, contest, {BAD: 1})
        wronged(units, contest, APRIL, BAD)
        lived(units, contest, MAY)
        ranked(units, MAY)
        headers = as_person(client, "reviewer-0")
        assert client.get(address).json()["state"] == "watch"
        step = a_step(client, address, "notice", "请逐项整改")
        told = client.post(f"{address}/step", json=step, headers=headers)
        assert (told.status_code, told.json()["state"]) == (200, "probation")
        for month in (OCTOBER, NOVEMBER):
            lived(units, contest, month, {BAD: 1})
            ranked(units, month)
        units.clock.advance(timedelta(days=8))
        headers = as_person(client, "reviewer-1")
        step = a_step(client, address, "suspension", "期满未改善")
        closed = client.post(f"{address}/step", json=step, headers=headers)
        assert (closed.status_code, closed.json()["state"]) == (200, "no_new_schools")
        items = [one["number"] for one in closed.json()["items"]]
        after = upheld(client, address, struck=items)
        told_by = [one["because"] for one in after["events"]]
        assert told_by[-4:] == ["suspension", "notice", "look", "look"]  # the last comes first
        assert after["state"] == "normal"
        public = client.get("/api/v1/rankings").json()
        assert (public["month"], public["number"]) == ("2026-11", 2)
    with units(SYSTEM) as unit:
        assert list(check_rankings(unit)) == []
