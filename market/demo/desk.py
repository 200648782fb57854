"""What waits and what was decided at the sample county's desk: drafts, files, a pack, a takedown.

Everything is done by the people whose it is, through the services, on the days in September on
which it would have happened. Each act is marked when it is done, and may be repeated: what it did
before it was stopped is found again.
"""

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import select

from catalog.admission import claim, decide_admission, judge, propose
from catalog.appeals import appeal
from catalog.attachments.attaching import attach, expect_file
from catalog.attachments.sniffing import Rules, type_of
from catalog.attachments.vault import open_vault
from catalog.blind_audit import FEWEST, draw_sample
from catalog.criteria import Criterion, Depth, Finding, criteria_of
from catalog.drafts import save_draft
from catalog.misses import note_miss
from catalog.models import Admission, Version
from catalog.needs import answer_need, needs, post_need
from catalog.offers import OfferRow
from catalog.plans import Plan, Tier
from catalog.resources import CatalogueRow
from catalog.states import AdmissionState, VersionState
from catalog.submissions import SelfCheck, submit, suitability
from catalog.takedowns import Ground, take_down
from catalog.versions import own_versions
from kernel.actors import Actor
from kernel.clock import SHANGHAI
from kernel.errors import AlreadyExists, AppealedAlready, Conflict, DrawnAlready
from kernel.ids import VersionId
from kernel.unit import Unit, Units
from market.demo.county import VENDOR_BY_SLUG, YEAR
from market.demo.rehearsal import SYSTEM, mark_done, on_day, person, steps_done

FROM: Final = datetime(YEAR, 9, 1, 9, 0, tzinfo=SHANGHAI)
NEED: Final = "三年级分数的分层练习"
COMMITMENT: Final = (
    "我单位对所提交资源的内容、版权和适用性负责，承诺不含广告，不收集不必要的个人信息。"
)
ANSWERS: Final = {
    Criterion.POLITICAL: "经三审三校，无政治性差错。",
    Criterion.GUIDANCE: "以立德树人为导向，例题取自乡村生活。",
    Criterion.SCIENTIFIC: "知识点对照课程标准逐条核对。",
    Criterion.SAFETY: "不需登录，不收集个人信息。",
    Criterion.SUITABILITY: "普通教室投影即可使用。",
    Criterion.NORMATIVE: "图文、单位和符号符合国家标准。",
    Criterion.TIMELINESS: "依据 2025 年修订教材编写。",
    Criterion.PUBLIC_BENEFIT: "无广告，乡村教学点与城区同价。",
}
PICTURE: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 120"><rect width="240" height="120" '
    'fill="#eef4f6"/><path d="M20 90h200M120 20v70" stroke="#0f6675" stroke-width="2"/><path '
    'd="M20 90Q120 -10 220 90" fill="none" stroke="#b45309" stroke-width="3"/></svg>'
)
PLAN: Final = """《分数的初步认识》教学设计

一、情境导入：分月饼。
二、探究：折一折、涂一涂。
三、练习与小结。
"""


def act_at_the_desk(units: Units) -> None:
    """Do what the desk shows, each act once, one after another in the days of September."""
    with units(SYSTEM) as unit:
        done = steps_done(unit)
    for number, act in enumerate(ACTS):
        step = f"desk-{act.__name__.strip('_')}"
        if step not in done:
            then = on_day(units, FROM + timedelta(days=number))
            act(then)
            with then(SYSTEM) as unit:
                mark_done(unit, step)


def _pack(units: Units) -> None:
    """A firm bundles two of its resources; two reviewers admit the pack."""
    row = _row(
        "zhisui",
        "ZS-BAO-01",
        title="小学语文读写资源包",
        tier="growth",
        stage="primary",
        subject="语文",
        parts=("ZS-YW-0302", "ZS-YW-0402"),
        keywords=("荷花", "习作"),
    )
    _admitted(units, _submitted(units, "zhisui", row, price="0.2500"))


def _files(units: Units) -> None:
    """A listed resource with its files: a preview for everybody, a lesson plan for schools."""
    row = _row(
        "zhisui",
        "ZS-SX-0301",
        title="人教版数学三年级上册《分数的初步认识》课件与教学设计",
        tier="growth",
        stage="primary",
        subject="数学",
        grade="三年级",
        type="课件",
        edition="人教版",
        chapter="三年级上册/分数的初步认识",
        keywords=("分数", "折纸"),
        devices=("投影",),
    )
    files = {"样图.svg": (PICTURE, "preview"), "教学设计.txt": (PLAN, "content")}
    _admitted(units, _submitted(units, "zhisui", row, price="0.1500", files=files))


def _dearer(units: Units) -> None:
    """A new version with tiers from January on; it waits to be claimed."""
    row = _row(
        "zhisui",
        "ZS-SX-0301",
        title="人教版数学三年级上册《分数的初步认识》课件、教学设计与分层练习",
        tier="growth",
        stage="primary",
        subject="数学",
        grade="三年级",
        type="课件",
        edition="人教版",
        chapter="三年级上册/分数的初步认识",
        keywords=("分数", "折纸", "分层练习"),
        devices=("投影",),
    )
    tiers = (Tier(1_000, Decimal("0.1500")), Tier(None, Decimal("0.0800")))
    _submitted(units, "zhisui", row, price="0.1500", tiers=tiers, valid_from=date(YEAR + 1, 1, 1))


def _proposed_case(units: Units) -> None:
    """A version that one reviewer proposed to admit: the other one decides."""
    row = _row(
        "zhisui",
        "ZS-KX-0502",
        title="教科版科学五年级上册《光》探究任务包",
        tier="innovation",
        stage="primary",
        subject="科学",
        grade="五年级",
        type="互动练习",
        keywords=("光", "探究"),
        devices=("平板",),
    )
    _proposed(units, _submitted(units, "zhisui", row, price="0.3000"))


def _returned_case(units: Units) -> None:
    """A version that was given back to its vendor, who answers with the next one."""
    row = _row(
        "zhisui",
        "ZS-YY-0003",
        title="小学英语绘本配音练习",
        tier="growth",
        stage="primary",
        subject="英语",
        type="互动练习",
    )
    version_id = _submitted(units, "zhisui", row, price="0.2000")
    _proposed(units, version_id, verdict=AdmissionState.RETURNED, note="第 12 页录音与文字不一致")
    _decided(units, version_id, note="同意退回修改", verdict=AdmissionState.RETURNED)


def _taken_down(units: Units) -> None:
    """A listed resource is taken down at once; its vendor appeals."""
    row = _row(
        "zhisui",
        "ZS-DL-0701",
        title="七年级地理上册地形图读图练习",
        tier="growth",
        stage="junior",
        subject="地理",
        grade="七年级",
        type="习题",
    )
    version_id = _submitted(units, "zhisui", row, price="0.1000")
    _admitted(units, version_id)
    with suppress(Conflict), units(person(units, "qinghe-admission")) as unit:
        take_down(unit, version_id, ground=Ground.ERRORS, reason="第 3 幅地图审图号缺失，先行下架")
    with suppress(AppealedAlready), units(person(units, "zhisui")) as unit:
        appeal(unit, version_id, claim="审图号见图册封底，已附扫描件")


def _work(units: Units) -> None:
    """A teacher's new work waits for the school's word on whose it is."""
    row = _row(
        "zhouyingxue",
        "ZYX-03",
        title="八年级一次函数图象探究课例",
        kind="school_based",
        tier="growth",
        stage="junior",
        subject="数学",
        grade="八年级",
        type="案例",
        ownership="service_work",
        school_share=Decimal("0.3"),
    )
    _submitted(units, "zhouyingxue", row, price="0.2000")


def _need(units: Units) -> None:
    """A school posts what it lacks; a vendor answers with a draft, which gets the fast channel."""
    with units(person(units, "shiyan-academic")) as unit:
        known = [one.id for one in needs(unit) if one.title == NEED]
        if not known:
            # A search in vain tells the same, without a name.
            for words in ("心理健康课件", "心理健康课件", "藏语听力"):
                note_miss(unit, words)
        need_id = (
            known[0]
            if known
            else post_need(
                unit,
                title=NEED,
                stage="primary",
                subject="数学",
                description="复式班需要同一课题三个层次的练习，能打印。",
                wanted_by=date(YEAR, 10, 15),
            )
        )
    row = _row(
        "zhisui",
        "ZS-SX-0303",
        title="三年级分数分层练习（可打印）",
        tier="basic",
        stage="primary",
        subject="数学",
        grade="三年级",
        type="习题",
    )
    version_id = _submitted(units, "zhisui", row, price="0.0500")
    with suppress(AlreadyExists), units(person(units, "zhisui")) as unit:
        answer_need(unit, need_id, version_id=version_id, note="含三个层次，A4 可打印")


def _audit(units: Units) -> None:
    """A sample for a blind audit, drawn by the trail's seed of the month."""
    with suppress(DrawnAlready), units(person(units, "qinghe-admission2")) as unit:
        draw_sample(unit, size=FEWEST)


ACTS: Final[tuple[Callable[[Units], None], ...]] = (
    _pack,
    _files,
    _dearer,
    _proposed_case,
    _returned_case,
    _taken_down,
    _work,
    _need,
    _audit,
)


def _row(slug: str, sku: str, **facts: object) -> CatalogueRow:
    values: dict[str, object] = {
        "kind": "personalised",
        "licence": "授权学校教学使用",
        "author": VENDOR_BY_SLUG[slug].name,
        **facts,
    }
    return CatalogueRow(vendor_code=VENDOR_BY_SLUG[slug].code, sku=sku, **values)  # type: ignore[arg-type] # each act names the columns it fills


def _submitted(
    units: Units,
    login: str,
    row: CatalogueRow,
    *,
    price: str,
    tiers: tuple[Tier, ...] = (),
    valid_from: date = date(YEAR, 9, 1),
    files: dict[str, tuple[str, str]] | None = None,
) -> VersionId:
    """Have a vendor's manager draft a version, attach files and submit it with its self-check."""
    manager = person(units, login)
    with units(manager) as unit:
        for one in own_versions(unit):
            if (one.sku, one.title) == (row.sku, row.title) and one.state != VersionState.DRAFT:
                return one.version_id
    offer = OfferRow(
        vendor_code=row.vendor_code,
        sku=row.sku,
        valid_from=valid_from,
        plan=Plan.PER_USE,
        unit_price_yuan=Decimal(price),
        tiers=tiers,
    )
    with units(manager) as unit:
        version_id = save_draft(unit, row, offer=offer)
    for name, (content, purpose) in (files or {}).items():
        _attached(units, manager, version_id, name, content.encode(), purpose=purpose)
    with units(manager) as unit:
        check = SelfCheck(
            answers={one.value: answer for one, answer in ANSWERS.items()},
            commitment=COMMITMENT,
            commits=True,
            stages=(row.stage,),
            conditions="教室有投影即可",
        )
        submit(unit, version_id, check)
    return version_id


def _attached(
    units: Units, manager: Actor, version_id: VersionId, name: str, content: bytes, *, purpose: str
) -> None:
    file, digest = io.BytesIO(content), hashlib.sha256(content).hexdigest()
    rules = Rules(most_bytes=units.settings.attachment_mb * 1_000_000)
    found = type_of(file, name=name, size_bytes=len(content), rules=rules)
    with units(manager) as unit:
        expect_file(
            unit,
            version_id,
            name=name,
            digest=digest,
            size_bytes=len(content),
            media_type=found.media_type,
        )
    file.seek(0)
    open_vault(units.settings).keep(digest, file)
    with units(manager) as unit:
        attach(unit, version_id, name=name, digest=digest, purpose=purpose)


def _proposed(
    units: Units,
    version_id: VersionId,
    *,
    verdict: AdmissionState = AdmissionState.ADMITTED,
    note: str = "八项标准逐项核对",
) -> None:
    with units(person(units, "qinghe-admission")) as unit:
        if unit.session.get_one(Version, version_id).state != VersionState.SUBMITTED:
            return
        claim(unit, [version_id])
        for criterion in criteria_of(_depth(unit, version_id)):
            fails = verdict is not AdmissionState.ADMITTED and criterion is Criterion.SCIENTIFIC
            judge(
                unit,
                version_id,
                criterion,
                finding=Finding.FAILS if fails else Finding.MEETS,
                evidence=note if fails else "对照自查说明与样例抽查，未见问题",
            )
        propose(
            unit,
            version_id,
            verdict=verdict,
            note=note,
            suits=suitability(("primary",), "教室有投影即可"),
        )


def _admitted(units: Units, version_id: VersionId) -> None:
    _proposed(units, version_id)
    _decided(units, version_id, note="复核同意", verdict=AdmissionState.ADMITTED)


def _decided(units: Units, version_id: VersionId, *, note: str, verdict: AdmissionState) -> None:
    with units(person(units, "qinghe-admission2")) as unit:
        if unit.session.get_one(Version, version_id).state == VersionState.IN_REVIEW:
            decide_admission(unit, [version_id], note=note, verdict=verdict)


def _depth(unit: Unit, version_id: VersionId) -> Depth:
    return Depth(
        unit.session.scalars(
            select(Admission.depth)
            .where(Admission.version_id == version_id)
            .order_by(Admission.round.desc())
            .limit(1)
        ).one()
    )
