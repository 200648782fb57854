"""A market, a third party that evaluates, and those who let it in and reply to it."""

from dataclasses import dataclass
from datetime import date

from kernel.actors import Actor, Role
from kernel.identity.models import Organisation
from kernel.unit import Units
from settlement.evaluation.admissions import admit_evaluator
from tests.support.accounts import PASSWORD
from tests.support.builders import COUNTY, a_person, an_evaluator
from tests.support.settlement_builders import SYSTEM, Market, a_market

FOUND = {"finding": "播放流畅，字幕齐全", "source": "现场抽测报告", "found_on": date(2026, 3, 20)}


@dataclass(frozen=True, slots=True)
class Scene:
    """A market, an evaluator with a person, who lets it in, and who may reply."""

    market: Market
    evaluator: Organisation
    person: Actor
    operator: Actor
    seller: Actor


def a_scene(units: Units) -> Scene:
    market = a_market(units)
    with units(SYSTEM) as unit:
        evaluator = an_evaluator(unit)
        return Scene(
            market,
            evaluator,
            a_person(unit, evaluator, [Role.EVALUATOR], login="judge", password=PASSWORD),
            a_person(unit, market.bureau, [Role.OPERATOR], login="operator", password=PASSWORD),
            a_person(unit, market.vendor, [Role.VENDOR_MANAGER], login="vendor", password=PASSWORD),
        )


def let_in(units: Units, scene: Scene) -> None:
    with units(scene.operator) as unit:
        admit_evaluator(unit, scene.evaluator.code, region_code=COUNTY, interest="无")
