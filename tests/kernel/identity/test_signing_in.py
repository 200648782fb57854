"""Signing in, what a session shows, and how it ends."""

from datetime import timedelta

import pytest
from argon2 import extract_parameters
from sqlalchemy import select

from kernel.actors import VISITOR, Role, system_actor
from kernel.clock import FixedClock
from kernel.errors import (
    AlreadyExists,
    PasswordTooShort,
    Refused,
    TooManyAttempts,
    WrongCredentials,
)
from kernel.identity import credentials
from kernel.identity.credentials import matches, set_password
from kernel.identity.grants import actor_of, end_role
from kernel.identity.models import Credential, SignInFailures, WebSession
from kernel.identity.sessions import (
    ATTEMPTS,
    forget_expired,
    session_actor,
    sign_in,
    sign_out,
)
from kernel.trail import TrailRow
from kernel.unit import Units
from tests.support.builders import PASSWORD, a_person, a_region_tree, a_school
from tests.support.passwords import OF_THE_PRODUCT
from tests.support.worlds import a_world

SYSTEM = system_actor("test")


@pytest.fixture
@a_world
def principal(units: Units) -> str:
    """The login of a principal with a password."""
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        school = a_school(unit, code="2199000001")
        a_person(
            unit,
            school,
            [Role.PRINCIPAL, Role.TEACHER],
            login="head",
            person_no="P-1",
            password=PASSWORD,
        )
    return "head"


def fail(units: Units, login: str, *, times: int = 1) -> None:
    for _ in range(times):
        with units(VISITOR) as unit, pytest.raises(WrongCredentials):
            sign_in(unit, login, password="wrong password")


def test_the_right_password_opens_a_session_of_ones_own_organisation(units, principal):
    with units(VISITOR) as unit:
        session = sign_in(unit, " HEAD ", password=PASSWORD)
    with units(VISITOR) as unit:
        view = session_actor(unit, session.token)
    assert view is not None
    assert (view.login, view.person_name) == ("head", "教工P-1")
    assert view.actor.organisation_code == "2199000001"
    assert view.actor.roles == {Role.PRINCIPAL, Role.TEACHER}
    assert view.actor.name == "head"
    assert len(view.csrf_token) >= 32 and view.csrf_token != session.token


@pytest.mark.parametrize("login", ["\0", "head\0", "he\0ad"])
def test_a_login_that_no_database_can_hold_is_wrong_like_any_other(units, principal, login):
    fail(units, login)


def test_neither_token_nor_password_is_stored(units, principal):
    with units(VISITOR) as unit:
        session = sign_in(unit, principal, password=PASSWORD)
        stored = unit.session.scalars(select(WebSession)).one()
        credential = unit.session.scalars(select(Credential)).one()
    assert session.token.encode() not in stored.token_hash
    assert credential.password_hash.startswith("$argon2id$")


def test_an_unknown_token_is_nobodys(units, principal):
    with units(VISITOR) as unit:
        assert session_actor(unit, "made up") is None


def test_a_session_is_over_after_its_hours_and_is_forgotten(
    units: Units, principal: str, clock: FixedClock
):
    with units(VISITOR) as unit:
        session = sign_in(unit, principal, password=PASSWORD)
    clock.advance(timedelta(hours=12))
    with units(VISITOR) as unit:
        assert session_actor(unit, session.token) is None
        assert forget_expired(unit) == 1
        assert forget_expired(unit) == 0


def test_signing_out_ends_the_session(units, principal):
    with units(VISITOR) as unit:
        session = sign_in(unit, principal, password=PASSWORD)
        sign_out(unit, session.token)
        assert session_actor(unit, session.token) is None


def test_five_failures_let_the_account_rest_for_fifteen_minutes(units, principal, clock):
    fail(units, principal, times=ATTEMPTS)
    with units(VISITOR) as unit, pytest.raises(TooManyAttempts) as refused:
        sign_in(unit, principal, password=PASSWORD)
    assert refused.value.facts["minutes"] == 15
    clock.advance(timedelta(minutes=14, seconds=30))
    with units(VISITOR) as unit, pytest.raises(TooManyAttempts) as refused:
        sign_in(unit, principal, password=PASSWORD)
    assert refused.value.facts["minutes"] == 1
    clock.advance(timedelta(seconds=30))
    fail(units, principal)
    with units(VISITOR) as unit:
        assert sign_in(unit, principal, password=PASSWORD).token


@pytest.mark.parametrize("login", ["nobody", "no\0body", "\ud800"])
def test_a_login_that_nobody_has_rests_like_any_other(units, principal, clock, login):
    """Who is on the roster can't be told from when the answer becomes another one."""
    fail(units, login, times=ATTEMPTS)
    for name in (login, f" {login.upper()} "):
        with units(VISITOR) as unit, pytest.raises(TooManyAttempts) as refused:
            sign_in(unit, name, password=PASSWORD)
        assert refused.value.facts["minutes"] == 15
    clock.advance(timedelta(minutes=15))
    fail(units, login)


def test_failures_are_forgotten_after_a_day(units, principal, clock):
    fail(units, "nobody", times=ATTEMPTS)
    with units(SYSTEM) as unit:
        forget_expired(unit)
        assert unit.session.scalars(select(SignInFailures.failures)).all() == [ATTEMPTS]
    clock.advance(timedelta(days=1))
    with units(SYSTEM) as unit:
        forget_expired(unit)
        assert unit.session.scalars(select(SignInFailures.failures)).all() == []


def test_a_new_password_ends_the_rest(units, principal):
    fail(units, principal, times=ATTEMPTS)
    with units(SYSTEM) as unit:
        person_id = actor_of(unit, login=principal, via="test").person_id
        set_password(unit, person_id, login=principal, password="another password")
    with units(VISITOR) as unit:
        assert sign_in(unit, principal, password="another password").token


def test_a_success_forgets_earlier_failures(units, principal):
    for _ in range(2):
        fail(units, principal, times=ATTEMPTS - 1)
        with units(VISITOR) as unit:
            sign_in(unit, principal, password=PASSWORD)


def test_an_unknown_login_costs_the_same_hashing_as_a_wrong_password(monkeypatch):
    """Each refusal verifies one hash made at the same cost: the time tells nothing."""
    verified: list[str] = []
    hasher = credentials._hasher

    class Recording:
        def verify(self, password_hash: str, password: str) -> bool:
            verified.append(password_hash)
            return hasher.verify(password_hash, password)

    monkeypatch.setattr(credentials, "_hasher", Recording())
    for password_hash in (hasher.hash("right password"), None):
        assert not matches(password_hash, "wrong password")
    costs = [one.rsplit("$", 2)[0] for one in verified]
    assert len(costs) == 2 and costs[0] == costs[1]


def test_the_product_hashes_at_a_cost_that_slows_guessing_down():
    """No less than the second recommendation of RFC 9106: three passes over 64 MiB."""
    hasher, nobody = OF_THE_PRODUCT
    cost = extract_parameters(nobody)
    assert cost.time_cost >= 3 and cost.memory_cost >= 65_536
    assert not hasher.check_needs_rehash(nobody)
    assert extract_parameters(hasher.hash(PASSWORD)) == cost


def test_a_login_from_the_roster_lets_nobody_in_before_a_password_is_set(units, principal):
    with units(SYSTEM) as unit:
        school = a_school(unit, code="2199000001")
        a_person(unit, school, [Role.TEACHER], login="new")
    for password in ("", "x", PASSWORD):
        with units(VISITOR) as unit, pytest.raises(WrongCredentials):
            sign_in(unit, "new", password=password)


def test_a_role_that_ended_shows_at_once_and_the_last_one_ends_the_session(units, principal):
    with units(VISITOR) as unit:
        session = sign_in(unit, principal, password=PASSWORD)
        person_id = session_actor(unit, session.token).actor.person_id
    with units(SYSTEM) as unit:
        end_role(unit, person_id, role=Role.PRINCIPAL)
        assert session_actor(unit, session.token).actor.roles == {Role.TEACHER}
        end_role(unit, person_id, role=Role.TEACHER)
        assert session_actor(unit, session.token) is None
        with pytest.raises(Refused):
            sign_in(unit, principal, password=PASSWORD)


def test_a_new_password_ends_the_sessions_of_the_former(units, principal):
    with units(VISITOR) as unit:
        session = sign_in(unit, principal, password=PASSWORD)
        actor = session_actor(unit, session.token).actor
    with units(actor) as unit:
        set_password(unit, actor.person_id, login="head", password="another password")
    with units(VISITOR) as unit:
        assert session_actor(unit, session.token) is None
        assert sign_in(unit, "head", password="another password").token


def test_a_password_is_set_by_oneself_or_an_operator_above(units, principal):
    with units(SYSTEM) as unit:
        bureau = a_region_tree(unit)
        other = a_person(unit, a_school(unit), [Role.PRINCIPAL])
        auditor = a_person(unit, bureau, [Role.AUDITOR])
        operator = a_person(unit, bureau, [Role.OPERATOR])
        head = actor_of(unit, login=principal, via="test").person_id
    for actor in (other, auditor):
        with units(actor) as unit, pytest.raises(Refused):
            set_password(unit, head, login="head", password="another password")
    with units(operator) as unit:
        set_password(unit, head, login="head", password="another password")
        trailed = unit.session.scalars(
            select(TrailRow).where(TrailRow.act == "password.set").order_by(TrailRow.id)
        ).all()
    assert [row.facts for row in trailed] == [{"login": "head"}] * 2
    assert trailed[1].actor_id == operator.person_id


def test_a_short_password_and_a_taken_login_are_refused(units, principal):
    with units(SYSTEM) as unit:
        other = a_person(unit, a_school(unit), [Role.TEACHER])
        with pytest.raises(PasswordTooShort):
            set_password(unit, other.person_id, login="other", password="short")
        with pytest.raises(AlreadyExists):
            set_password(unit, other.person_id, login="head", password=PASSWORD)
