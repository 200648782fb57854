"""The sample county's desk shows each of its acts once, however often the sample is loaded."""

from collections import Counter

import pytest
from sqlalchemy import select

from catalog.attachments.reading import files_of
from catalog.attachments.vault import open_vault
from catalog.models import Resource, Version
from catalog.ownership import works
from catalog.packs import PACK
from catalog.search import Wanted, search
from catalog.sharing_models import BlindSample, SchoolNeed
from kernel.unit import Units
from market.demo.accounts import demo_accounts
from market.demo.desk import ACTS, FROM, act_at_the_desk
from market.demo.load import load_sample
from market.demo.rehearsal import on_day, person
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def loaded(units: Units) -> Units:
    load_sample(units)
    for act in ACTS:
        act(on_day(units, FROM))  # stopped before it was marked
    return units


def test_every_act_may_be_repeated_and_stands_there_once(loaded):
    act_at_the_desk(loaded)
    act_at_the_desk(loaded)
    with loaded(SYSTEM) as unit:
        rows = unit.session.execute(
            select(Resource.sku, Version.number, Version.state)
            .join(Version, Version.resource_id == Resource.id)
            .where(~Resource.is_sample)
        ).all()
        states = Counter(row.state for row in rows)
        needs = unit.session.scalars(select(SchoolNeed.title)).all()
        samples = unit.session.scalars(select(BlindSample.id)).all()
        packs = search(unit, Wanted(filters={"type": PACK})).hits

    assert states == {
        "listed": 2,
        "submitted": 3,
        "in_review": 1,
        "returned": 1,
        "suspended": 1,
    }
    assert (len(needs), len(samples), len(packs)) == (1, 5, 1)


def test_a_teachers_work_waits_for_an_office_that_may_sign_in(loaded):
    """R40: so that confirming one can be tried."""
    offices = [one.login for one in demo_accounts() if one.role == "academic"]
    waiting = []
    for login in offices:
        with loaded(person(loaded, login)) as unit:
            waiting += [one.vendor_name for one in works(unit) if one.standing == "waiting"]
    assert waiting == ["周映雪（教师）"]


def test_the_sample_has_files_that_are_really_there(loaded):
    vault = open_vault(loaded.settings)
    with loaded(SYSTEM) as unit:
        versions = unit.session.scalars(select(Version.id)).all()
        files = [one for of_one in files_of(unit, versions).values() for one in of_one]

    assert {one.purpose for one in files} == {"content", "preview"}
    assert all(vault.size_of(one.digest) == one.size_bytes for one in files)
