"""Metadata in controlled words: read, or refused with the nearest words (R5)."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select

from catalog.conditions import Reach, reach_of
from catalog.models import Version
from catalog.resources import CatalogueRow, content_digest, record_catalogue
from catalog.vocabularies import VOCABULARIES, same_subject
from kernel.errors import NotInVocabulary
from kernel.i18n import label, term, translations
from kernel.outcomes import Fate
from market.imports.registry import MASTER_KINDS
from tests.support.builders import a_region_tree, a_uscc, a_vendor
from tests.support.settlement_builders import SYSTEM
from tests.support.worlds import a_world

FIRM = a_uscc()
ROW = CatalogueRow(
    vendor_code=FIRM,
    sku="SX-1",
    title="小数乘法",
    kind="personalised",
    tier="growth",
    stage="primary",
    subject="数学",
    grade="五年级",
    type="课件",
)


@pytest.fixture
@a_world
def firm(units):
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        return a_vendor(unit, code=FIRM)


def stored(units) -> list[Version]:
    with units(SYSTEM) as unit:
        return list(unit.session.scalars(select(Version).order_by(Version.number)))


def test_words_are_stored_as_the_vocabulary_has_them(units, firm):
    """R5: whatever a vendor calls it, there is one word to search and to earmark money by."""
    typed = replace(
        ROW,
        subject="Maths",
        grade="5",
        type="PPT",
        edition="人民教育出版社",
        licence="CC-BY-4.0",
        language="藏文",
        chapter=" 五年级上册 / 小数乘法 ",
        bandwidth_mbps=Decimal("4.0"),
        devices=("投影仪", "音响", "投影"),
        offline="下载后可用",
    )
    with units(SYSTEM) as unit:
        assert record_catalogue(unit, [typed])[0].fate is Fate.ACCEPTED
    (version,) = stored(units)
    assert (version.subject, version.grade, version.type) == ("数学", "五年级", "课件")
    assert version.metadata_ == {
        "language": "bo",
        "licence": "CC BY 4.0",
        "author": "",
        "keywords": [],
        "conditions": "",
        "address": "",
        "launch_url": "",
        "edition": "人教版",
        "chapter": "五年级上册/小数乘法",
        "bandwidth_mbps": "4",
        "devices": ["投影", "音箱"],
        "offline": "downloaded",
    }


def test_another_spelling_of_the_same_content_is_a_duplicate(units, firm):
    with units(SYSTEM) as unit:
        record_catalogue(unit, [replace(ROW, bandwidth_mbps=Decimal(2), devices=("投影",))])
        again = replace(ROW, subject="math", bandwidth_mbps=Decimal("2.00"), devices=("projector",))
        assert record_catalogue(unit, [again])[0].fate is Fate.DUPLICATE


@pytest.mark.parametrize(
    ("field", "wrong", "nearest"),
    [
        ("subject", "数学课", "数学"),
        ("grade", "初五", ""),
        ("type", "虚拟实险", "虚拟实验"),
        ("edition", "人教社", "人教版"),
        ("language", "tibetian", "bo"),
        ("licence", "CC BY 3", "CC BY 4.0"),
        ("offline", "maybe", ""),
    ],
)
def test_an_unknown_word_is_refused_with_the_nearest_words(units, firm, field, wrong, nearest):
    with units(SYSTEM) as unit:
        (outcome,) = record_catalogue(unit, [replace(ROW, **{field: wrong})])
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, field)
    assert isinstance(outcome.error, NotInVocabulary)
    assert nearest in outcome.error.facts["expected"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"devices": ("投影", "hologram")}, "devices"),
        ({"bandwidth_mbps": Decimal(0)}, "bandwidth_mbps"),
        ({"bandwidth_mbps": Decimal(20_000)}, "bandwidth_mbps"),
    ],
)
def test_conditions_that_make_no_sense_name_their_column(units, firm, change, field):
    with units(SYSTEM) as unit:
        (outcome,) = record_catalogue(unit, [replace(ROW, **change)])
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, field)


def test_what_was_recorded_before_the_vocabularies_stays_a_duplicate(units, firm):
    """A file of before is imported again without a reject: its content is known."""
    old = replace(ROW, subject="AAA")
    with units(SYSTEM) as unit:
        record_catalogue(unit, [ROW])
        resource_id = unit.session.scalars(select(Version.resource_id)).one()
        unit.session.add(_of_before(old, resource_id, unit.clock.now()))
        unit.session.flush()
        assert record_catalogue(unit, [old])[0].fate is Fate.DUPLICATE


def _of_before(row: CatalogueRow, resource_id, now) -> Version:
    columns = ("title", "kind", "tier", "stage", "subject", "grade", "type")
    return Version(
        id=resource_id,
        resource_id=resource_id,
        number=2,
        state="submitted",
        metadata_={},
        digest=content_digest(row),
        created_at=now,
        **{name: getattr(row, name) for name in columns},
    )


@pytest.mark.parametrize(
    ("mbps", "devices", "offline", "reach"),
    [
        (None, (), "", Reach.UNSTATED),
        (None, ("投影",), "", Reach.EVERYWHERE),
        (Decimal(2), (), "none", Reach.EVERYWHERE),
        (Decimal(8), ("触控一体机",), "none", Reach.SOME_EQUIPMENT),
        (None, ("计算机教室",), "full", Reach.SOME_EQUIPMENT),
        (Decimal(50), (), "none", Reach.WELL_EQUIPPED),
        (Decimal(50), ("投影",), "full", Reach.EVERYWHERE),
        (None, ("每生一台设备",), "full", Reach.WELL_EQUIPPED),
    ],
)
def test_what_only_well_equipped_schools_can_use_is_seen_as_such(mbps, devices, offline, reach):
    """R5: urban-biased resources are visible as such."""
    assert reach_of(bandwidth_mbps=mbps, devices=devices, offline=offline) is reach


def test_a_subject_is_the_same_by_any_of_its_names():
    """R18: a line that was earmarked for `math` pays for what is listed under 数学."""
    assert same_subject("数学", "math") and same_subject("数学", "数学")
    assert same_subject("of before", "of before")
    assert not same_subject("语文", "math") and not same_subject("数学", 7)


def test_every_word_has_an_english_name():
    spelled_alike = {"licence"}  # the Creative Commons have theirs
    for field, vocabulary in VOCABULARIES.items():
        kind = vocabulary.kind
        for word in vocabulary.terms:
            if not word.isascii():
                assert term(word, "en", kind=kind) != word, (field, word)
            elif field not in spelled_alike:
                assert label(word, "zh_CN", kind=kind) != word, (field, word)
                assert translations("zh_CN").pgettext(kind, word) is not None


def test_the_example_of_the_template_is_right(units, firm):
    kind = MASTER_KINDS["catalogue"]
    row = kind.row({column.name: column.example for column in kind.columns})
    with units(SYSTEM) as unit:
        (outcome,) = record_catalogue(unit, [replace(row, vendor_code=FIRM)])
    assert outcome.fate is Fate.ACCEPTED
