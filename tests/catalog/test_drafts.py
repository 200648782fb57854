"""One draft per resource, whoever saves at the same moment, and it becomes the last version."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from catalog.models import Version
from catalog.resources import record_catalogue
from catalog.submissions import submit
from kernel.ids import new_id
from tests.support.admission_builders import Desk, a_desk, a_self_check
from tests.support.settlement_builders import SYSTEM

AT_ONCE = 6


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def drafts(desk: Desk) -> list[Version]:
    with desk.units(SYSTEM) as unit:
        return list(unit.session.scalars(select(Version).where(Version.state == "draft")))


def test_who_saves_at_the_same_moment_saves_the_same_draft(desk):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        saved = set(pool.map(lambda number: desk.draft(title=f"第{number}稿"), range(AT_ONCE)))
    (draft,) = drafts(desk)
    assert saved == {draft.id}


def test_the_database_keeps_one_draft_of_a_resource(desk):
    version_id = desk.draft()
    with pytest.raises(DBAPIError, match="has a draft already"), desk.units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "INSERT INTO version SELECT (jsonb_populate_record(v, jsonb_build_object("
                "'id', CAST(:new AS text), 'number', 2))).* FROM version v WHERE v.id = :id"
            ),
            {"new": str(new_id()), "id": version_id},
        )


def test_a_draft_that_a_file_overtook_is_still_the_next_version(desk):
    draft = desk.draft(title="手稿")
    with desk.units(desk.manager) as unit:
        record_catalogue(unit, [desk.row(title="文件所载")])
    with desk.units(desk.manager) as unit:
        submit(unit, draft, a_self_check())
    with desk.units(SYSTEM) as unit:
        numbers = {one.title: one.number for one in unit.session.scalars(select(Version))}
    assert numbers == {"文件所载": 2, "手稿": 3}
