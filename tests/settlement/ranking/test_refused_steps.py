"""What a step, an appeal or a return is refused for, in the reader's words."""

from uuid import UUID

import pytest

from kernel.clock import parse_month
from kernel.errors import DoneAlready, InvalidInput, NothingStated, StepNotDue
from kernel.i18n import translate_error
from kernel.unit import Units
from settlement.ranking.cells import told_cell
from settlement.ranking.due_process import suspend
from settlement.ranking.returning import NOT_LEFT, apply_to_return
from settlement.ranking.runs import rank_month, require_run
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.texts import LONGEST_TEXT
from tests.support.ranking_builders import BAD, on_probation, standing_of
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import last_event

LONG = "长" * (LONGEST_TEXT + 1)


def test_a_step_that_is_not_due_is_told_in_words(units: Units) -> None:
    """R44: cell and standings are no codes to who reads."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    with pytest.raises(StepNotDue) as refused, units(contest.reviewers[1]) as unit:
        suspend(unit, standing.id, note="没有改善", seen=require_run(unit).id)
    said = translate_error(refused.value, "zh_CN")
    assert "“小学、" in said
    assert "“整改通知”转为“暂停新增”" in said or "整改" in said
    assert "probation" not in said
    assert refused.value.facts["key"] == standing.cell
    assert told_cell("//") == ("everything",)


def test_an_appeal_is_made_and_decided_once_and_said_to_be(units: Units) -> None:
    """R44: neither too long nor twice; the advice is not that of an admission."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    manager = contest.sellers[BAD].manager
    with pytest.raises(InvalidInput, match="claim"), units(manager) as unit:
        appeal_standing(unit, standing.id, event=last_event(unit, standing.id), claim=LONG)
    with units(manager) as unit:
        appeal: UUID = appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="评价不是使用者所写"
        ).id
        with pytest.raises(Exception, match="appealed already") as again:
            appeal_standing(
                unit, standing.id, event=last_event(unit, standing.id), claim="再申诉一次"
            )
    assert "新版本" not in translate_error(again.value, "zh_CN")
    with pytest.raises(InvalidInput, match="note"), units(contest.reviewers[2]) as unit:
        decide_standing_appeal(unit, appeal, upheld=False, note=LONG)
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(unit, appeal, upheld=False, note="依据充分")
    with pytest.raises(DoneAlready) as done, units(contest.reviewers[2]) as unit:
        decide_standing_appeal(unit, appeal, upheld=False, note="依据充分")
    assert translate_error(done.value, "zh_CN").startswith("申诉已处理。")


def test_who_has_not_left_applies_for_no_return(units: Units) -> None:
    """R44: its standing is there, and the refusal says how it stands."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    with (
        pytest.raises(StepNotDue, match=NOT_LEFT),
        units(contest.sellers[BAD].manager) as unit,
    ):
        apply_to_return(unit, standing.id, claim="已整改")


def test_a_month_without_statements_is_not_said_to_lack_those_of_no_payers(units: Units) -> None:
    """R45."""
    with pytest.raises(NothingStated) as refused, units(SYSTEM) as unit:
        rank_month(unit, parse_month("2020-01"))
    said = translate_error(refused.value, "zh_CN")
    assert "没有任何对账单" in said
    assert "0 个" not in said
