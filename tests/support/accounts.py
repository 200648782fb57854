"""People who can sign in, for tests of what comes after."""

from dataclasses import dataclass
from uuid import UUID

from kernel.actors import OrganisationKind, Role, system_actor
from kernel.identity.credentials import set_password
from kernel.identity.grants import actor_of
from kernel.identity.models import NATION, Organisation, Person, PersonPrivate, Region, RoleGrant
from kernel.ids import new_id
from kernel.unit import Units

PASSWORD = "一二三四五六七八"


@dataclass(frozen=True, slots=True)
class Account:
    login: str
    person_id: UUID
    organisation_id: UUID
    password: str = PASSWORD


def an_account(
    units: Units,
    *,
    login: str = "lihua",
    kind: OrganisationKind = OrganisationKind.SCHOOL,
    roles: tuple[Role, ...] = (Role.SCHOOL_FINANCE,),
    organisation_name: str = "青石县第二小学",
    person_name: str = "李华",
) -> Account:
    """A person with these roles in an organisation of their own, directly below the nation."""
    account = Account(login=login, person_id=new_id(), organisation_id=new_id())
    with units(system_actor("test")) as unit:
        if unit.session.get(Region, NATION) is None:
            unit.session.add(Region(code=NATION, name="全国", level="nation", parent_code=None))
            unit.session.flush()
        unit.session.add(
            Organisation(
                id=account.organisation_id,
                kind=kind,
                code=f"code-{login}",
                name=organisation_name,
                region_code=NATION,
                parent_id=None,
                facts={},
            )
        )
        unit.session.flush()
        unit.session.add(
            Person(
                id=account.person_id,
                organisation_id=account.organisation_id,
                person_no_hash=login.encode(),
            )
        )
        unit.session.flush()
        unit.session.add(PersonPrivate(person_id=account.person_id, name=person_name, contact=""))
        for role in roles:
            unit.session.add(
                RoleGrant(
                    id=new_id(),
                    person_id=account.person_id,
                    role=role,
                    organisation_id=account.organisation_id,
                    granted_from=unit.clock.now(),
                    granted_until=None,
                    granted_by="test",
                )
            )
        unit.session.flush()
        set_password(unit, account.person_id, login=login, password=account.password)
    return account


def let_sign_in(units: Units, *logins: str) -> None:
    """Give people who are on the roster the common password."""
    with units(system_actor("test")) as unit:
        for login in logins:
            person_id = actor_of(unit, login=login, via="test").person_id
            assert person_id is not None
            set_password(unit, person_id, login=login, password=PASSWORD)
