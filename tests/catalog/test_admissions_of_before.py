"""What a database of an older version gets when the desk is introduced (R13, R14)."""

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import select

from catalog.admission import decide_admission
from catalog.cases import case
from catalog.models import Admission
from catalog.takedowns import Ground, restore, take_down
from market.schema import alembic_config
from tests.support.admission_builders import Desk, a_desk
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def test_what_was_admitted_or_proposed_before_goes_on_by_the_new_rules(desk):
    """R13: a proposal of before was one to admit, and a second reviewer still decides it."""
    listed, proposed = desk.listed("A"), desk.proposed(desk.submitted("B"))
    engine = desk.units.engine
    introduced = next(
        one
        for one in ScriptDirectory.from_config(alembic_config()).walk_revisions()
        if one.path.endswith("_admission.py")
    )
    assert isinstance(introduced.down_revision, str)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), introduced.down_revision)
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    engine.dispose()
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
