"""What two schools do for each other by sharing, and what is not returned (R65)."""

from catalog.sharing_models import Derivation
from kernel.identity.models import Organisation
from kernel.ids import ResourceId
from kernel.unit import Units
from settlement.evaluation.schools import MUTUAL_MOST
from tests.settlement.evaluation.test_evaluations import home, shared
from tests.support.builders import a_listed_version, a_resource, a_selling_teacher, admit
from tests.support.credit_builders import a_contribution
from tests.support.settlement_builders import SYSTEM


def test_what_two_schools_do_for_each_other_counts_up_to_a_cap(units: Units) -> None:
    """R65: nobody buys a place by giving one; what is not returned counts whole, and who takes up
    one work in return is not set back by it."""
    given = a_contribution(units)
    school = home(units, given)
    made = built_on(units, given.market.school, given.market.resource_id, times=5)
    by_code = {one.code: one for one in shared(units)}
    assert (by_code[school.code].derivatives, by_code[school.code].contribution) == (5, 5)
    built_on(units, school, made[0], times=1)
    by_code = {one.code: one for one in shared(units)}
    first, second = by_code[school.code], by_code[given.market.school.code]
    assert (first.derivatives, first.beyond, first.contribution) == (5, 0, 5)
    assert (second.derivatives, second.beyond, second.contribution) == (1, 0, 1)
    built_on(units, school, made[1], times=3)
    by_code = {one.code: one for one in shared(units)}
    first, second = by_code[school.code], by_code[given.market.school.code]
    assert (first.derivatives, first.beyond, first.contribution) == (5, 1, 4)
    assert (second.derivatives, second.beyond, second.contribution) == (4, 1, MUTUAL_MOST)


def built_on(
    units: Units, by: Organisation, resource_id: ResourceId, *, times: int
) -> list[ResourceId]:
    """Have a teacher of a school make works from a work, each of them let in."""
    with units(SYSTEM) as unit:
        maker = a_selling_teacher(unit, by)
        works = [a_resource(unit, maker, listed=False, unit_price="0.0000") for _ in range(times)]
        made = [a_listed_version(unit, one) for one in works]
        parent = a_listed_version(unit, resource_id)
        unit.session.add_all(Derivation(version_id=one, parent_id=parent) for one in made)
        unit.session.flush()
        admit(unit, made)
    return works
