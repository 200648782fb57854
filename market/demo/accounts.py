"""Demo accounts: which of the sample's people may sign in, and only while the demo is on.

Their password is known to everybody, so they are opened in demo mode alone, which is refused on a
public address, and closed when the installation starts without it.
"""

from dataclasses import dataclass

from sqlalchemy import delete, select, update

from kernel.identity.credentials import NO_PASSWORD, set_password
from kernel.identity.models import Credential, Organisation, Person, WebSession
from kernel.trail import record
from kernel.unit import Unit, Units
from market.demo.county import BUREAUS, CITY, COUNTY, SCHOOLS, VENDORS
from market.demo.evaluators import LOGIN as EVALUATOR_LOGIN
from market.demo.evaluators import NAME as EVALUATOR_NAME
from market.demo.people import SIGNING_PUPIL, SIGNING_TEACHER
from market.demo.rehearsal import SYSTEM

PASSWORD = "qinghe-2026"  # noqa: S105 (shown to everybody, on loopback only)


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoAccount:
    """An account to try the product with; `label` says in Chinese whose it is."""

    login: str
    password: str
    label: str
    role: str


DemoAccounts = tuple[DemoAccount, ...]

_SCHOOL = {school.slug: school.name for school in SCHOOLS}
_VENDOR = {vendor.slug: vendor.name for vendor in VENDORS}
_BUREAU = dict(BUREAUS)

_ACCOUNTS: tuple[tuple[str, str, str], ...] = (
    ("shiyan-finance", f"{_SCHOOL['shiyan']} · 财务", "school_finance"),
    ("shiyan-principal", f"{_SCHOOL['shiyan']} · 校长", "principal"),
    ("shiyan-academic", f"{_SCHOOL['shiyan']} · 教务", "academic"),
    ("shiyan-research", f"{_SCHOOL['shiyan']} · 教研组长", "research_lead"),
    (SIGNING_TEACHER, f"{_SCHOOL['shiyan']} · 任课教师", "teacher"),
    (SIGNING_PUPIL, f"{_SCHOOL['shiyan']} · 学生", "learner"),
    ("linxi-finance", f"{_SCHOOL['linxi']}（含两个教学点）· 财务", "school_finance"),
    ("yizhong-academic", f"{_SCHOOL['yizhong']}（周映雪任教）· 教务", "academic"),
    ("zhisui", f"{_VENDOR['zhisui']} · 负责人", "vendor_manager"),
    ("zhouyingxue", f"{_VENDOR['zhouyingxue']} · 资源作者", "vendor_manager"),
    ("qinghe-finance", f"{_BUREAU[COUNTY]} · 财务（编制）", "bureau_finance"),
    ("qinghe-finance2", f"{_BUREAU[COUNTY]} · 财务（复核）", "bureau_finance"),
    ("qinghe-admission", f"{_BUREAU[COUNTY]} · 准入初审", "admission"),
    ("qinghe-admission2", f"{_BUREAU[COUNTY]} · 准入复审", "admission"),
    ("qinghe-auditor", f"{_BUREAU[COUNTY]} · 审计", "auditor"),
    ("qinghe-operator", f"{_BUREAU[COUNTY]} · 运维", "operator"),
    ("yunlan-auditor", f"{_BUREAU[CITY]} · 审计", "auditor"),
    (EVALUATOR_LOGIN, f"{EVALUATOR_NAME} · 评价员", "evaluator"),
)


def demo_accounts() -> list[DemoAccount]:
    """Return the accounts that demo mode opens, in the order in which to show them."""
    return [
        DemoAccount(login=login, password=PASSWORD, label=label, role=role)
        for login, label, role in _ACCOUNTS
    ]


def open_accounts(units: Units) -> None:
    """Give the demo accounts their password where they have none; only in demo mode."""
    if not units.settings.demo:
        return
    with units(SYSTEM) as unit:
        closed = unit.session.execute(
            select(Credential.person_id, Credential.login)
            .join(Person, Person.id == Credential.person_id)
            .join(Organisation, Organisation.id == Person.organisation_id)
            .where(
                Organisation.is_sample,
                Credential.login.in_([account.login for account in demo_accounts()]),
                Credential.password_hash == NO_PASSWORD,
            )
            .order_by(Credential.login)
        ).all()
        for person_id, login in closed:
            set_password(unit, person_id, login=login, password=PASSWORD)


def close_accounts(units: Units) -> None:
    """Take every password and session from the sample's people: for a start without the demo."""
    with units(SYSTEM) as unit:
        people = _people_with_password(unit)
        if not people:
            return
        unit.session.execute(
            update(Credential)
            .where(Credential.person_id.in_(people))
            .values(password_hash=NO_PASSWORD)
            .execution_options(synchronize_session=False)
        )
        unit.session.execute(
            delete(WebSession)
            .where(WebSession.person_id.in_(people))
            .execution_options(synchronize_session=False)
        )
        record(unit, "demo.accounts-closed", subject_kind="sample", subject_id=len(people))


def _people_with_password(unit: Unit) -> list[object]:
    return list(
        unit.session.scalars(
            select(Credential.person_id)
            .join(Person, Person.id == Credential.person_id)
            .join(Organisation, Organisation.id == Person.organisation_id)
            .where(Organisation.is_sample, Credential.password_hash != NO_PASSWORD)
            .order_by(Credential.login)
        )
    )
