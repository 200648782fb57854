"""Who signs what (R22), and which lines a ceiling binds (R23, R34): the pure parts."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kernel.actors import Role
from procurement.funding.plan import Purpose, may_pay, plan_draws
from procurement.funding.shipped import SHIPPED_THRESHOLDS
from procurement.policy import steps_for

MATHS = Purpose(
    school_codes=frozenset({"3299010001"}), subject="math", tier="growth", stage="primary"
)


def roles_for(amount_fen: int) -> list[Role]:
    return [step.role for step in steps_for(amount_fen, SHIPPED_THRESHOLDS)]


def test_a_threshold_is_reached_by_the_amount_itself() -> None:
    small = [Role.ACADEMIC, Role.SCHOOL_FINANCE]
    assert roles_for(0) == small
    assert roles_for(499_999) == small
    assert roles_for(500_000) == [*small, Role.PRINCIPAL]
    assert roles_for(4_999_999) == [*small, Role.PRINCIPAL]
    assert roles_for(5_000_000) == [*small, Role.PRINCIPAL, Role.BUREAU_FINANCE]


def test_only_a_bureau_s_role_signs_above_the_school() -> None:
    steps = steps_for(5_000_000, reversed(SHIPPED_THRESHOLDS))
    assert [(step.position, step.above_school) for step in steps] == [
        (1, False),
        (2, False),
        (3, False),
        (4, True),
    ]


@given(smaller=st.integers(0, 10_000_000), more=st.integers(0, 10_000_000))
def test_more_money_never_needs_fewer_signatures(smaller: int, more: int) -> None:
    assert set(roles_for(smaller)) <= set(roles_for(smaller + more))


def test_a_restricted_line_pays_only_for_what_it_names() -> None:
    assert may_pay({}, MATHS)
    assert may_pay({"subjects": ["math", "physics"], "tiers": ["growth"]}, MATHS)
    assert not may_pay({"subjects": ["physics"]}, MATHS)
    assert not may_pay({"subjects": ["math"], "schools": ["3299010002"]}, MATHS)
    assert not may_pay({"purpose": "whatever"}, MATHS)
    assert not may_pay({"subjects": "mathematics"}, MATHS)


@given(
    ceiling_fen=st.integers(0, 1_000_000),
    amounts=st.lists(st.integers(-10, 400_000), max_size=6),
)
def test_a_plan_commits_the_ceiling_or_says_how_much_is_short(
    ceiling_fen: int, amounts: list[int]
) -> None:
    """R23, R34: what is planned and what is short make the ceiling; earlier lines are emptied."""
    lines = [(UUID(int=position), fen) for position, fen in enumerate(amounts)]
    plan = plan_draws(ceiling_fen, lines)
    drawn = {draw.line_id: draw.ceiling_fen for draw in plan.draws}
    assert sum(drawn.values()) + plan.short_fen == ceiling_fen
    assert plan.short_fen == max(0, ceiling_fen - sum(fen for fen in amounts if fen > 0))
    assert all(0 < drawn[line_id] <= dict(lines)[line_id] for line_id in drawn)
    touched = [line_id for line_id, _ in lines if line_id in drawn]
    assert [draw.line_id for draw in plan.draws] == touched
    for line_id, fen in (
        lines[: lines.index((touched[-1], dict(lines)[touched[-1]]))] if touched else []
    ):
        assert fen <= 0 or drawn[line_id] == fen
