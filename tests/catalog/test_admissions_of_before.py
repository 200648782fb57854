"""What a database of an older version gets when the desk is introduced (R13, R14)."""

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, select, text

from catalog.admission import decide_admission
from catalog.admission_models import AdmissionAppeal
from catalog.appeals import appeal
from catalog.cases import case
from catalog.models import Admission
from catalog.takedowns import Ground, restore, take_down
from market.schema import alembic_config
from tests.support.admission_builders import Desk, a_desk
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def lacking(desk: Desk, migration: str) -> Engine:
    """Take the database back to before a migration, which is named by the end of its file."""
    engine = desk.units.engine
    introduced = next(
        one
        for one in ScriptDirectory.from_config(alembic_config()).walk_revisions()
        if one.path.endswith(migration)
    )
    assert isinstance(introduced.down_revision, str)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), introduced.down_revision)
    engine.dispose()
    return engine


def test_what_was_admitted_or_proposed_before_goes_on_by_the_new_rules(desk):
    """R13: a proposal of before was one to admit, and a second reviewer still decides it."""
    listed, proposed = desk.listed("A"), desk.proposed(desk.submitted("B"))
    down = lacking(desk, "_admission.py")
    with down.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    down.dispose()
    with desk.units(SYSTEM) as unit:
        verdicts = unit.session.scalars(select(Admission.verdict).order_by(Admission.id)).all()
    assert verdicts == ["admitted", "admitted"]
    with desk.units(desk.second) as unit:
        decide_admission(unit, [proposed], note="同意")
        assert case(unit, proposed).rounds[0].note == "建议"
    with desk.units(desk.first) as unit:
        take_down(unit, listed, ground=Ground.OTHER, reason="核查")
    with desk.units(desk.second) as unit:
        restore(unit, listed, note="无误")
    assert {desk.state(listed), desk.state(proposed)} == {"listed"}


def test_an_appeal_that_stayed_open_when_its_takedown_was_lifted_is_upheld(desk):
    """R14: in the name and with the reason of who lifted it; what is still down stays open."""
    lifted, down = desk.listed("A"), desk.listed("B")
    for version_id in (lifted, down):
        with desk.units(desk.first) as unit:
            take_down(unit, version_id, ground=Ground.OTHER, reason="核查")
        with desk.units(desk.manager) as unit:
            appeal(unit, version_id, claim="没有错")
    engine = lacking(desk, "_no_longer_appealed.py")
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE takedown SET restored_by = :who, restored_at = now(), note = '无误' "
                "WHERE versions ? CAST(:version AS text)"
            ),
            {"who": desk.second.person_id, "version": lifted},
        )
        command.upgrade(alembic_config(connection), "head")
    engine.dispose()
    with desk.units(SYSTEM) as unit:
        ended, waiting = (
            unit.session.scalars(
                select(AdmissionAppeal).where(AdmissionAppeal.version_id == one)
            ).one()
            for one in (lifted, down)
        )
        assert (ended.outcome, ended.note) == ("upheld", "无误")
        assert ended.decided_by == desk.second.person_id
        assert waiting.outcome is None
