"""Third parties that evaluate: let in for a region, findings beside ours, the right of reply."""

from datetime import date, datetime, timedelta

import pytest
from litestar.testing import TestClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    MissingValue,
    NotFound,
    ReasonRequired,
    Refused,
    VendorInterest,
)
from kernel.i18n import translate_error
from kernel.identity.people import RosterRow, record_roster
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from settlement.evaluation.admissions import (
    admissions,
    admit_evaluator,
    end_admission,
    own_admissions,
)
from settlement.evaluation.evidence import evidence_totals
from settlement.evaluation.finding_views import findings
from settlement.evaluation.outside import file_finding, reply_to_finding, withdraw_finding
from settlement.ranking.runs import rank_month, require_run
from tests.support.application import an_app
from tests.support.builders import (
    COUNTY,
    a_bureau,
    a_person,
    a_school,
    a_vendor,
    an_evaluator,
    took,
)
from tests.support.evaluation_builders import FOUND, Scene, let_in
from tests.support.settlement_builders import MARCH, SYSTEM, a_use, at, deliver
from tests.support.site_builders import csrf_token, sign_in


def test_nobody_evaluates_before_a_bureau_let_them_in_with_their_interests(
    units: Units, scene: Scene
) -> None:
    """R65: let in by the bureau for a region of its own, once, with what it declares."""
    code = scene.market.vendor.code
    with pytest.raises(Refused), units(scene.person) as unit:
        file_finding(unit, "vendor", code, **FOUND)
    with pytest.raises(MissingValue), units(scene.operator) as unit:
        admit_evaluator(unit, scene.evaluator.code, region_code=COUNTY, interest=" ")
    for region in ("990000", "000000"):
        with pytest.raises(NotFound), units(scene.operator) as unit:
            admit_evaluator(unit, scene.evaluator.code, region_code=region, interest="无")
    for who in (scene.person, scene.seller, scene.market.finance):
        with pytest.raises(Refused), units(who) as unit:
            admit_evaluator(unit, scene.evaluator.code, region_code=COUNTY, interest="无")
    let_in(units, scene)
    with pytest.raises(AlreadyExists), units(scene.operator) as unit:
        admit_evaluator(unit, scene.evaluator.code, region_code=COUNTY, interest="有")
    with units(scene.person) as unit:
        file_finding(unit, "vendor", code, **FOUND)
        (found,) = findings(unit, about=(code,))
    assert (found.evaluator, found.interest) == (scene.evaluator.name, "无")
    assert (found.subject_name, len(found.digest)) == (scene.market.vendor.name, 64)


def test_whom_a_bureau_above_sent_is_not_sent_away_by_whom_it_looks_at(
    units: Units, scene: Scene
) -> None:
    """R65: only the bureau that let an evaluator in, or one above it, ends that."""
    with units(SYSTEM) as unit:
        city = a_bureau(unit, region_code="990100")
        above = a_person(unit, city, [Role.OPERATOR])
    with units(above) as unit:
        sent = admit_evaluator(unit, scene.evaluator.code, region_code=COUNTY, interest="无")
    with units(scene.operator) as unit:
        assert [(one.id, one.may_end) for one in admissions(unit)] == [(sent, False)]
    with pytest.raises(Refused, match="the bureau that let it in"), units(scene.operator) as unit:
        end_admission(unit, sent, because="不受欢迎")
    with units(above) as unit:
        assert [one.may_end for one in admissions(unit)] == [True]
        end_admission(unit, sent, because="评价已完成")
    let_in(units, scene)
    with units(above) as unit:
        own = next(one for one in admissions(unit) if not one.ended_at)
        end_admission(unit, own.id, because="合同到期")


def test_a_finding_is_about_what_lies_in_the_region_and_of_nobodys_own(
    units: Units, scene: Scene
) -> None:
    """R65: schools and bureaus of the region, any vendor, resource and the platform."""
    let_in(units, scene)
    with units(SYSTEM) as unit:
        city = a_bureau(unit, region_code="990100")
        own = a_vendor(unit)
        row = RosterRow(
            person_no="OLD-1",
            name="曾任职者",
            organisation_kind="vendor",
            organisation_code=own.code,
            roles=(Role.VENDOR_MANAGER,),
        )
        took(record_roster(unit, [row]))
        moved = RosterRow(
            person_no="OLD-1",
            name="曾任职者",
            organisation_kind="evaluator",
            organisation_code=scene.evaluator.code,
            roles=(Role.EVALUATOR,),
        )
        took(record_roster(unit, [moved]))
    market = scene.market
    with units(scene.person) as unit:
        for kind, key in (
            ("school", market.school.code),
            ("bureau", market.bureau.code),
            ("resource", f"{market.vendor.code}/{market.sku}"),
            ("platform", ""),
        ):
            file_finding(unit, kind, key, **FOUND)
        assert len(findings(unit)) == 4
    wrong: tuple[tuple[str, str, type[Exception]], ...] = (
        ("bureau", city.code, NotFound),
        ("vendor", own.code, VendorInterest),
        ("vendor", "nobody", NotFound),
        ("resource", f"{market.vendor.code}/none", NotFound),
        ("person", "x", InvalidInput),
        ("platform", "x", InvalidInput),
        ("platform", "", AlreadyExists),
    )
    for kind, key, error in wrong:
        with pytest.raises(error), units(scene.person) as unit:
            file_finding(unit, kind, key, **FOUND)
    with pytest.raises(InvalidInput) as refused, units(scene.person) as unit:
        file_finding(unit, "person", "x", **FOUND)
    assert refused.value.facts["field"] == "kind"
    with pytest.raises(AlreadyExists) as again, units(scene.person) as unit:
        file_finding(unit, "platform", "", **FOUND)
    assert "“平台”" in translate_error(again.value, "zh_CN")
    for field, value in (("finding", " "), ("source", "")):
        with pytest.raises(MissingValue), units(scene.person) as unit:
            file_finding(unit, "vendor", market.vendor.code, **{**FOUND, field: value})
    with pytest.raises(InvalidInput), units(scene.person) as unit:
        ahead = {**FOUND, "found_on": date(2999, 1, 1)}
        file_finding(unit, "vendor", market.vendor.code, **ahead)


def test_a_finding_is_answered_once_and_withdrawn_with_its_reason(
    units: Units, clock: FixedClock, scene: Scene
) -> None:
    """R65: by the subject alone; what was filed, said and withdrawn stays, in the database too."""
    let_in(units, scene)
    with units(scene.person) as unit:
        finding = file_finding(unit, "vendor", scene.market.vendor.code, **FOUND)
        own = file_finding(unit, "platform", "", **FOUND)
    with units(SYSTEM) as unit:
        stranger = a_person(unit, a_vendor(unit), [Role.VENDOR_MANAGER])
        other = a_person(unit, an_evaluator(unit), [Role.EVALUATOR])
    for who in (stranger, scene.operator):
        with pytest.raises(NotFound), units(who) as unit:
            reply_to_finding(unit, finding, reply="不同意")
    with pytest.raises(NotFound), units(scene.seller) as unit:
        reply_to_finding(unit, own, reply="不同意")
    with units(scene.operator) as unit:
        reply_to_finding(unit, own, reply="已改进")
    with units(scene.seller) as unit:
        reply_to_finding(unit, finding, reply="感谢")
    with pytest.raises(Conflict), units(scene.seller) as unit:
        reply_to_finding(unit, finding, reply="再次感谢")
    with pytest.raises(NotFound), units(other) as unit:
        withdraw_finding(unit, finding, because="误")
    with pytest.raises(ReasonRequired), units(scene.person) as unit:
        withdraw_finding(unit, finding, because=" ")
    clock.advance(timedelta(hours=1))
    with units(scene.person) as unit:
        withdraw_finding(unit, finding, because="样本有误")
    with pytest.raises(Conflict), units(scene.person) as unit:
        withdraw_finding(unit, finding, because="样本有误")
    with units(SYSTEM) as unit:
        (found,) = findings(unit, about=(scene.market.vendor.code,))
    assert (found.reply, found.withdrawn_because) == ("感谢", "样本有误")
    assert found.finding == FOUND["finding"]
    for statement in (
        "UPDATE outside_finding SET finding = 'x'",
        "UPDATE outside_finding SET reply = 'x'",
        "UPDATE outside_finding SET withdrawn_because = 'x' WHERE withdrawn_at IS NOT NULL",
        "DELETE FROM outside_finding",
        "TRUNCATE outside_finding",
        "UPDATE evaluator_admission SET interest = 'x'",
        "UPDATE evaluator_admission SET ended_because = 'x'",
        "DELETE FROM evaluator_admission",
        "TRUNCATE evaluator_admission CASCADE",
    ):
        with pytest.raises(DBAPIError), units(SYSTEM) as unit:
            unit.session.execute(text(statement))


def test_findings_enter_no_score(units: Units, scene: Scene) -> None:
    """R65: the same month ranked with a finding is the same run."""
    let_in(units, scene)
    deliver(units, [a_use(units, scene.market, "u1", at(2))], name="one.csv")
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        rank_month(unit, MARCH)
        before = require_run(unit).digest
    with units(scene.person) as unit:
        file_finding(unit, "vendor", scene.market.vendor.code, **FOUND)
        (told,) = evidence_totals(unit)
    assert (told.region, told.schools, told.uses, told.disputes) == (COUNTY, 1, 1, 0)
    with units(SYSTEM) as unit:
        rank_month(unit, MARCH)
        assert require_run(unit).digest == before


def test_a_teaching_point_and_its_school_are_one_of_the_schools_that_are_told(
    units: Units, scene: Scene
) -> None:
    """R65: as everywhere else."""
    let_in(units, scene)
    deliver(units, [a_use(units, scene.market, "u1", at(2))], name="one.csv")
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        point = a_school(unit, parent=scene.market.school)
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(
            text(
                "INSERT INTO statement_breakdown SELECT (jsonb_populate_record(b, "
                "jsonb_build_object('school_id', CAST(:point AS uuid)))).* "
                "FROM statement_breakdown b"
            ),
            {"point": point.id},
        )
    with units(scene.person) as unit:
        (told,) = evidence_totals(unit)
    assert (told.schools, told.uses) == (1, 2)


def test_what_was_found_is_read_as_it_was_known_on_a_day(
    units: Units, clock: FixedClock, scene: Scene
) -> None:
    """R65: without what was filed, said or withdrawn since, or an admission that ended since."""
    let_in(units, scene)
    code = scene.market.vendor.code

    def known(moment: datetime) -> list[tuple[str, str, str, str]]:
        with units(SYSTEM) as unit:
            found = findings(unit, about=(code,), known_before=moment)
        return [(one.state, one.reply, one.withdrawn_because, one.ended_because) for one in found]

    begun = clock.at
    with units(scene.person) as unit:
        finding = file_finding(unit, "vendor", code, **FOUND)
    filed = clock.advance(timedelta(hours=1)) or clock.at
    with units(scene.seller) as unit:
        reply_to_finding(unit, finding, reply="感谢")
    answered = clock.advance(timedelta(hours=1)) or clock.at
    with units(scene.person) as unit:
        withdraw_finding(unit, finding, because="样本有误")
        (admission,) = own_admissions(unit)
    with units(scene.operator) as unit:
        end_admission(unit, admission.id, because="评估合同到期")
    ended = clock.advance(timedelta(hours=1)) or clock.at
    assert known(begun) == []
    assert known(filed) == [("filed", "", "", "")]
    assert known(answered) == [("answered", "感谢", "", "")]
    assert known(ended) == [("withdrawn", "感谢", "样本有误", "评估合同到期")]


def test_findings_are_filed_read_and_answered_over_the_interface(
    settings: Settings, units: Units, scene: Scene
) -> None:
    """R65: shown beside ours to everybody, with interests, reply and withdrawal."""
    with TestClient(an_app(settings, units)) as client:

        def call(login: str, path: str, body: dict[str, str]) -> tuple[int, dict[str, str]]:
            sign_in(client, login)
            headers = {"x-csrf-token": csrf_token(client)}
            answer = client.post(f"/api/v1{path}", json=body, headers=headers)
            return answer.status_code, answer.json()

        code = scene.market.vendor.code
        admission = {"code": scene.evaluator.code, "region": COUNTY, "interest": "无利益关系"}
        assert call("operator", "/evaluators", admission)[0] == 201
        filed = {"kind": "vendor", "key": code, **FOUND, "found_on": "2026-03-20"}
        status, made = call("judge", "/findings", filed)
        assert status == 201
        assert call("judge", "/findings", filed)[0] == 409
        assert call("vendor", f"/findings/{made['id']}/reply", {"reply": "谢谢"})[0] == 200
        assert call("vendor", "/findings", filed)[0] == 403
        sign_in(client, "judge")
        assert client.get("/api/v1/findings/evidence").json()["items"][0]["region"] == COUNTY
        (told,) = client.get("/api/v1/findings", params={"key": code}).json()["items"]
        assert (told["reply"], told["interest"]) == ("谢谢", "无利益关系")
        page = client.get("/reports/evaluations", headers={"accept": "text/html"})
        assert FOUND["finding"] in page.text
        assert "谢谢" in page.text
        home = client.get("/", headers={"accept": "text/html"}, follow_redirects=True)
        assert home.status_code == 200


def test_an_admission_ends_with_its_reason_and_what_was_found_stays(
    units: Units, clock: FixedClock, scene: Scene
) -> None:
    """R65: labelled with the end; nothing more is filed, in the database neither; and anew."""
    let_in(units, scene)
    with units(scene.person) as unit:
        finding = file_finding(unit, "vendor", scene.market.vendor.code, **FOUND)
    with units(scene.operator) as unit:
        (known,) = admissions(unit)
    assert (known.region_code, known.state, known.findings) == (COUNTY, "running", 1)
    with pytest.raises(ReasonRequired), units(scene.operator) as unit:
        end_admission(unit, known.id, because=" ")
    for who in (scene.person, scene.seller, scene.market.finance):
        with pytest.raises(Refused), units(who) as unit:
            end_admission(unit, known.id, because="到期")
    clock.advance(timedelta(days=1))
    with units(scene.operator) as unit:
        end_admission(unit, known.id, because="评估合同到期")
    with pytest.raises(Conflict), units(scene.operator) as unit:
        end_admission(unit, known.id, because="再次终止")
    with pytest.raises(Refused), units(scene.person) as unit:
        file_finding(unit, "platform", "", **FOUND)
    with units(scene.person) as unit:
        assert evidence_totals(unit) == []
        (own,) = own_admissions(unit)
        (told,) = findings(unit)
    assert (own.state, own.ended_because) == ("ended", "评估合同到期")
    assert (told.id, told.finding, told.ended_because) == (
        finding,
        FOUND["finding"],
        "评估合同到期",
    )
    for statement in (
        "UPDATE evaluator_admission SET ended_because = 'x'",
        (
            "INSERT INTO outside_finding SELECT gen_random_uuid(), evaluator_id, region_code, "
            "subject_kind, subject_key, subject_id, finding, source, found_on, sha256('x'), "
            "filed_by, filed_at, '', NULL, '', NULL, NULL, admission_id FROM outside_finding"
        ),
    ):
        with pytest.raises(DBAPIError), units(SYSTEM) as unit:
            unit.session.execute(text(statement))
    clock.advance(timedelta(days=1))
    with units(scene.operator) as unit:
        admit_evaluator(unit, scene.evaluator.code, region_code=COUNTY, interest="受托评估一项")
    with units(scene.person) as unit:
        file_finding(unit, "platform", "", **FOUND)
        latest, first = findings(unit)
    assert (latest.interest, latest.ended_because) == ("受托评估一项", "")
    assert (first.interest, first.ended_because) == ("无", "评估合同到期")


def test_a_bureau_sees_and_ends_the_admissions_of_its_subtree(units: Units, scene: Scene) -> None:
    """R65, R49: neither those of the region above nor of one beside it."""
    with units(SYSTEM) as unit:
        city = a_person(unit, a_bureau(unit, region_code="990100"), [Role.OPERATOR])
    let_in(units, scene)
    with units(city) as unit:
        admit_evaluator(unit, scene.evaluator.code, region_code="990100", interest="无")
        above = {one.region_code: one.id for one in admissions(unit)}
    assert set(above) == {COUNTY, "990100"}
    with units(scene.operator) as unit:
        assert [one.region_code for one in admissions(unit)] == [COUNTY]
    with pytest.raises(NotFound), units(scene.operator) as unit:
        end_admission(unit, above["990100"], because="越权")
    with units(city) as unit:
        end_admission(unit, above[COUNTY], because="上级终止")


def test_admissions_are_listed_and_ended_over_the_interface(
    settings: Settings, units: Units, scene: Scene
) -> None:
    """R65."""
    let_in(units, scene)
    with TestClient(an_app(settings, units)) as client:
        sign_in(client, "operator")
        (known,) = client.get("/api/v1/evaluators").json()["items"]
        answer = client.post(
            f"/api/v1/evaluators/{known['id']}/end",
            json={"because": "到期"},
            headers={"x-csrf-token": csrf_token(client)},
        )
        assert answer.status_code == 200
        (known,) = client.get("/api/v1/evaluators").json()["items"]
        assert known["ended_because"] == "到期"
