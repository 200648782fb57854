"""Who acts: a person with roles in an organisation, or the system in a named capacity.

An `Actor` travels in the unit of work; nothing is looked up in globals. Roles are granted by
organisation kind; what each may do is decided by the services with `require`.
"""

from dataclasses import dataclass
from enum import StrEnum

from kernel.errors import Refused
from kernel.ids import OrganisationId, PersonId


class OrganisationKind(StrEnum):
    BUREAU = "bureau"
    SCHOOL = "school"
    VENDOR = "vendor"
    EVALUATOR = "evaluator"  # 第三方评价机构


class Role(StrEnum):
    LEARNER = "learner"
    TEACHER = "teacher"
    RESEARCH_LEAD = "research_lead"  # 教研组
    ACADEMIC = "academic"  # 教务
    SCHOOL_FINANCE = "school_finance"  # 财务
    PRINCIPAL = "principal"  # 校长
    ADMISSION = "admission"  # 准入
    BUREAU_FINANCE = "bureau_finance"
    AUDITOR = "auditor"
    VENDOR_MANAGER = "vendor_manager"
    EVALUATOR = "evaluator"  # of a third party: reads what is published, files findings
    OPERATOR = "operator"  # runs the installation: imports, closes of periods
    USAGE_REPORTER = "usage_reporter"  # a machine that reports use, and does nothing else
    SYSTEM = "system"


ROLES_OF: dict[OrganisationKind, frozenset[Role]] = {
    OrganisationKind.SCHOOL: frozenset(
        {
            Role.LEARNER,
            Role.TEACHER,
            Role.RESEARCH_LEAD,
            Role.ACADEMIC,
            Role.SCHOOL_FINANCE,
            Role.PRINCIPAL,
        }
    ),
    OrganisationKind.BUREAU: frozenset(
        {Role.ADMISSION, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR}
    ),
    OrganisationKind.VENDOR: frozenset({Role.VENDOR_MANAGER}),
    OrganisationKind.EVALUATOR: frozenset({Role.EVALUATOR}),
}

KEY_ROLES_OF: dict[OrganisationKind, frozenset[Role]] = {
    OrganisationKind.SCHOOL: frozenset({Role.USAGE_REPORTER}),
    OrganisationKind.BUREAU: frozenset(),
    OrganisationKind.VENDOR: frozenset({Role.USAGE_REPORTER}),
    OrganisationKind.EVALUATOR: frozenset(),
}
"""Roles that only API keys have, no person: less than what any person there may do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """The one on whose behalf a unit of work runs.

    `person_id` and `organisation_id` are None only for the system and for visitors.
    `via` says from where: an address for the web, `cli`, `worker`.
    """

    name: str
    roles: frozenset[Role] = frozenset()
    person_id: PersonId | None = None
    organisation_id: OrganisationId | None = None
    organisation_kind: OrganisationKind | None = None
    organisation_code: str = ""
    organisation_name: str = ""
    region_code: str = ""
    via: str = ""

    @property
    def is_system(self) -> bool:
        return Role.SYSTEM in self.roles

    def may(self, *roles: Role) -> bool:
        return self.is_system or not self.roles.isdisjoint(roles)

    def require(self, act: str, *roles: Role) -> None:
        """Raise `Refused` unless the actor holds one of `roles` (or is the system)."""
        if not self.may(*roles):
            raise Refused(act=act, needs=" / ".join(roles), actor=self.name)


def system_actor(capacity: str) -> Actor:
    """Return the system acting in a named capacity, such as `worker` or `cli`."""
    return Actor(name=f"system:{capacity}", roles=frozenset({Role.SYSTEM}), via=capacity)


VISITOR = Actor(name="visitor")
