"""Tables of identity. A person's name and number are kept apart from what the books refer to.

`person` and `learner` are random numbers; `person_private` holds what can be erased, and erasing
it (and `learner.person_id`) leaves every statement intact (R29, R58).
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base

NATION = "100000"
"""Code of the root region. GB/T 2260 begins below it, at the provinces."""


class Region(Base):
    """A node of the administrative tree; `code` is six digits (GB/T 2260)."""

    __tablename__ = "region"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    level: Mapped[str]
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("region.code"), index=True)
    is_sample: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        CheckConstraint("level IN ('nation', 'province', 'city', 'county')", name="level"),
        CheckConstraint(r"code ~ '^\d{6}$'", name="code"),
    )


class RegionClosure(Base):
    """Every region with each of its ancestors (and itself, distance 0): a subtree in one join."""

    __tablename__ = "region_closure"

    ancestor_code: Mapped[str] = mapped_column(ForeignKey("region.code"), primary_key=True)
    region_code: Mapped[str] = mapped_column(
        ForeignKey("region.code"), primary_key=True, index=True
    )
    distance: Mapped[int]


class Organisation(Base):
    """A bureau, a school (or teaching point, whose parent is its school), a vendor, an evaluator.

    `code`: a bureau's region code; 学校标识码 (10 digits); 统一社会信用代码 (18; an evaluator's,
    too), or for a selling teacher `T-` and a number. `facts` by kind: school {stages, setting,
    small_rural}; vendor {vendor_kind: firm|teacher, school_code}.
    """

    __tablename__ = "organisation"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    code: Mapped[str]
    name: Mapped[str]
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"), index=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    facts: Mapped[dict[str, Any]]
    is_sample: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        UniqueConstraint("kind", "code"),
        CheckConstraint("kind IN ('bureau', 'school', 'vendor', 'evaluator')", name="kind"),
    )


class Person(Base):
    """One person, one number (一人一号); the number itself is kept only as a keyed hash."""

    __tablename__ = "person"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    person_no_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)


class PersonPrivate(Base):
    """What tells who a person is; erasable without touching the books."""

    __tablename__ = "person_private"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    name: Mapped[str]
    contact: Mapped[str] = mapped_column(default="")


class RoleGrant(Base):
    """A role that a person holds in an organisation for a time."""

    __tablename__ = "role_grant"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    role: Mapped[str]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    granted_from: Mapped[datetime]
    granted_until: Mapped[datetime | None]
    granted_by: Mapped[str]

    __table_args__ = (UniqueConstraint("person_id", "role", "organisation_id", "granted_from"),)


class Learner(Base):
    """A learner's random number, which is all that usage knows; erasure drops `person_id`."""

    __tablename__ = "learner"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"), unique=True)


class Enrolment(Base):
    """A learner's time at one school (or teaching point): from the day on, until before the day."""

    __tablename__ = "enrolment"

    learner_id: Mapped[UUID] = mapped_column(ForeignKey("learner.id"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisation.id"), primary_key=True, index=True
    )
    joined_on: Mapped[date] = mapped_column(primary_key=True)
    left_on: Mapped[date | None]
    stage: Mapped[str] = mapped_column(default="")
    grade: Mapped[str] = mapped_column(default="")
    class_name: Mapped[str] = mapped_column(default="")

    __table_args__ = (CheckConstraint("left_on IS NULL OR left_on >= joined_on", name="order"),)


class Census(Base):
    """Pupils counted at one school or teaching point: a fact of its day, never rewritten.

    `kind`: enrolled (by stage, special-education pupils left out) | boarding | heating | special.
    `basis` names the term's census: spring | autumn. A correction is a row with a later `as_of`.
    """

    __tablename__ = "census"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    stage: Mapped[str]
    kind: Mapped[str]
    as_of: Mapped[date]
    basis: Mapped[str]
    pupils: Mapped[int]

    __table_args__ = (
        UniqueConstraint("school_id", "stage", "kind", "as_of", "basis"),
        CheckConstraint("pupils >= 0", name="pupils"),
        CheckConstraint("kind IN ('enrolled', 'boarding', 'heating', 'special')", name="kind"),
        CheckConstraint("basis IN ('spring', 'autumn')", name="basis"),
    )


class Credential(Base):
    """How a person signs in; the password only as an argon2id hash."""

    __tablename__ = "credential"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]

    __table_args__ = (
        ForeignKeyConstraint(
            ["login", "person_id"], ["login_holder.login", "login_holder.person_id"]
        ),
    )


class LoginHolder(Base):
    """Whose a login is or was, for good: what was done under it stays theirs.

    Insert-only (trigger); a credential's login is its own person's (foreign key).
    """

    __tablename__ = "login_holder"

    login: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    held_since: Mapped[datetime]

    __table_args__ = (UniqueConstraint("login", "person_id"),)


class SignInFailures(Base):
    """How often in a row a login was refused, and until when it rests.

    Kept for every login that is tried, known or not: who is on the roster shows in nothing.
    """

    __tablename__ = "sign_in_failures"

    login_digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)
    rests_until: Mapped[datetime | None]


class WebSession(Base):
    """A signed-in browser; the cookie's token is kept only as its SHA-256."""

    __tablename__ = "web_session"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    csrf_token: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ApiKey(Base):
    """An organisation's key for machines: shown once, kept as SHA-256.

    `public_key`: Ed25519, of the holder's own making; what is sent with the key is signed with it.
    """

    __tablename__ = "api_key"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    label: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    revoked_at: Mapped[datetime | None]
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)


Index("ix_role_grant_person", RoleGrant.person_id)
