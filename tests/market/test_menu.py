"""What stands in the menus: the public rankings, for all who sign in but learners."""

import pytest

from kernel.actors import ROLES_OF, Actor, OrganisationKind, Role
from market.frame import navigation_of

SIGNED_IN = [(kind, role) for kind, roles in ROLES_OF.items() for role in sorted(roles)]


@pytest.mark.parametrize(("kind", "role"), SIGNED_IN)
def test_whoever_signs_in_finds_the_rankings(kind: OrganisationKind, role: Role) -> None:
    """R42: they are public, so nobody has to know the address; learners see what they may open."""
    actor = Actor(name="x", roles=frozenset({role}), organisation_kind=kind)
    addresses = [one.href for one in navigation_of(actor)]
    assert ("/rankings" in addresses) is (role is not Role.LEARNER)
    assert addresses[0] != "/rankings"
