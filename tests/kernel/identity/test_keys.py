"""API keys of organisations, and the installation's own key for person numbers."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from kernel.actors import VISITOR, OrganisationKind, Role, system_actor
from kernel.errors import InvalidInput, Misconfigured, NotFound, Refused
from kernel.identity.api_keys import create_api_key, key_holder, revoke_api_key
from kernel.identity.models import ApiKey
from kernel.identity.organisations import organisation_by_code
from kernel.identity.secret import installation_key, person_hash
from tests.support.builders import COUNTY, a_person, a_region_tree, a_school, a_vendor

SYSTEM = system_actor("test")


@pytest.fixture
def manager(units):
    """A vendor's manager."""
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        return a_person(unit, a_vendor(unit), [Role.VENDOR_MANAGER])


def test_a_key_acts_for_its_organisation_until_it_is_revoked(units, manager):
    with units(manager) as unit:
        made = create_api_key(
            unit, manager.organisation_id, label="报送", scopes=[Role.VENDOR_MANAGER]
        )
    with units(VISITOR) as unit:
        actor = key_holder(unit, made.key).actor
        stored = unit.session.scalars(select(ApiKey)).one()
    assert actor.organisation_id == manager.organisation_id
    assert actor.roles == {Role.VENDOR_MANAGER} and actor.person_id is None
    assert made.key.encode() not in stored.secret_hash and made.prefix in made.key
    with units(manager) as unit:
        revoke_api_key(unit, made.id)
        assert key_holder(unit, made.key) is None
        with pytest.raises(NotFound):
            revoke_api_key(unit, made.id)


def test_a_key_that_is_almost_right_is_nobodys(units, manager):
    with units(manager) as unit:
        made = create_api_key(
            unit, manager.organisation_id, label="报送", scopes=[Role.VENDOR_MANAGER]
        )
        for wrong in ("", "xuanyong", made.key[:-1], made.key + "x", f"other.{made.key}"):
            assert key_holder(unit, wrong) is None


def test_keys_are_made_for_what_one_sees_and_for_roles_of_its_kind(units, manager):
    with units(SYSTEM) as unit:
        school = a_school(unit)
        teacher = a_person(unit, school, [Role.TEACHER])
    with units(manager) as unit, pytest.raises(NotFound):
        create_api_key(unit, school.id, label="x", scopes=[Role.TEACHER])
    with units(teacher) as unit, pytest.raises(Refused):
        create_api_key(unit, school.id, label="x", scopes=[Role.TEACHER])
    with units(manager) as unit:
        for scope in ("admission", "system", "everything"):
            with pytest.raises(InvalidInput):
                create_api_key(unit, manager.organisation_id, label="x", scopes=[scope])


def test_a_key_gives_no_more_than_its_maker_holds(units, manager):
    with units(SYSTEM) as unit:
        school = a_school(unit)
        principal = a_person(unit, school, [Role.PRINCIPAL])
        bureau = organisation_by_code(unit, OrganisationKind.BUREAU, code=COUNTY)
        operator = a_person(unit, bureau, [Role.OPERATOR])
        create_api_key(unit, school.id, label="x", scopes=[Role.SCHOOL_FINANCE])
    with units(principal) as unit:
        create_api_key(unit, school.id, label="x", scopes=[Role.PRINCIPAL])
        with pytest.raises(Refused):
            create_api_key(unit, school.id, label="x", scopes=[Role.PRINCIPAL, Role.SCHOOL_FINANCE])
    for organisation_id, role in ((school.id, Role.PRINCIPAL), (bureau.id, Role.BUREAU_FINANCE)):
        with units(operator) as unit, pytest.raises(Refused):
            create_api_key(unit, organisation_id, label="x", scopes=[role])


def test_the_installation_key_is_made_once_and_only_its_owner_reads_it(settings):
    kept = replace(settings, secret_key="")
    key = installation_key(kept)
    path = settings.home / "secret.key"
    assert path.read_bytes() == key and len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in settings.home.iterdir() if "secret" in one.name] == ["secret.key"]
    assert installation_key(kept) == key


def test_a_broken_installation_key_stops_instead_of_orphaning_the_roster(settings):
    (settings.home / "secret.key").write_bytes(b"short")
    with pytest.raises(Misconfigured):
        installation_key(replace(settings, secret_key=""))


def test_a_person_number_is_the_same_however_it_was_typed(settings):
    hashed = person_hash(settings, "99012120150101001X")
    assert len(hashed) == 32
    for typed in (
        " 99012120150101001x ",
        "990121 20150101 001X",
        "９９０１２１２０１５０１０１００１Ｘ",
    ):
        assert person_hash(settings, typed) == hashed
    assert person_hash(replace(settings, secret_key="other"), "99012120150101001X") != hashed
