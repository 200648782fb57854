"""Search finds what a teacher types, in any script, and says why (R8)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from catalog.counts import count_results
from catalog.facets import FIELDS, SUITS_ANY
from catalog.listing_models import Listing, SearchMiss
from catalog.listings import Signal, heal_listings, publish_signals, refresh_listings
from catalog.misses import KEPT_FOR, forget_misses, misses, note_miss
from catalog.models import Version
from catalog.offers import OfferRow, record_offers
from catalog.search import CANDIDATES, Sort, Wanted, Why, hits_by_key, search
from catalog.states import VersionState
from catalog.tokens import query_of
from kernel.actors import Role
from kernel.errors import InvalidInput, Refused
from kernel.identity.models import Organisation
from tests.support.builders import a_person, a_region_tree, a_school, a_vendor, admit, took
from tests.support.catalogue_builders import a_row, listed, newest_versions, submitted, titles
from tests.support.settlement_builders import SYSTEM
from tests.support.worlds import a_world

DECIMALS = "人教版数学五年级上册《小数乘法》互动课件"
POEMS = "统编版语文三年级下册《荷花》单元课件"
TIBETAN = "སྐད་ཡིག 藏语文四年级朗读与识字"
STORIES = "སྒྲུང་གཏམ། 藏族民间故事"
ENGLISH = "Fractions made easy 分数入门"
SAFETY = "防溺水专题教育"
WRITING = "四年级习作指导"


@pytest.fixture
@a_world
def shop(units):
    """One firm with seven listed resources; the one on safety suits every stage."""
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        firm = a_vendor(unit)
        rows = [
            a_row(
                firm,
                "SX-1",
                DECIMALS,
                grade="五年级",
                type="课件",
                edition="人教版",
                keywords=("小数", "竖式"),
                author="知穗教研组",
                chapter="五年级上册/小数乘法",
                bandwidth_mbps=Decimal(8),
                devices=("触控一体机",),
            ),
            a_row(firm, "YW-1", POEMS, subject="语文", grade="三年级", type="课件"),
            a_row(firm, "BO-1", TIBETAN, subject="藏语文", grade="四年级", language="bo"),
            a_row(firm, "BO-2", STORIES, subject="藏语文", language="bo", type="音频"),
            a_row(firm, "EN-1", ENGLISH, keywords=("分数",), offline="full"),
            a_row(firm, "AQ-1", SAFETY, stage="", subject="安全教育", kind="basic", type="视频"),
            a_row(firm, "XZ-1", WRITING, subject="语文", grade="四年级"),
        ]
        listed(unit, rows)
        return firm


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("小数", {DECIMALS}),
        ("小数乘法", {DECIMALS}),
        ("数乘", {DECIMALS}),  # part of two words
        ("乘法 五年级", {DECIMALS}),
        ("荷", {POEMS}),
        ("语文三年级", {POEMS}),
        ("xscf", {DECIMALS}),  # initials
        ("xiaoshu", {DECIMALS}),
        ("xiaoshuchengfa", {DECIMALS}),
        ("fang ni shui", {SAFETY}),
        ("XSCF 课件", {DECIMALS}),
        ("སྐད་ཡིག", {TIBETAN}),
        ("ཡིག", {TIBETAN}),
        ("སྒྲུང་", {STORIES}),
        ("སྐད 识字", {TIBETAN}),
        ("fractions", {ENGLISH}),
        ("Fract", {ENGLISH}),
        ("fractions 分数", {ENGLISH}),
        ("作文", {WRITING}),  # a synonym of 习作
        ("PPT", {DECIMALS, POEMS}),  # another name of 课件
        ("知穗", {DECIMALS}),
        ("SX-1", {DECIMALS}),
        ("人教版", {DECIMALS}),
        ("ＦＲＡＣＴＩＯＮＳ", {ENGLISH}),
        ("量子力学", set()),
        ("乘法 荷花", set()),
        ("!!!", set()),
        ("' & | ! :* \\", set()),
        ("འ", set()),
    ],
)
def test_what_is_typed_is_found(units, shop, words, found):
    with units(SYSTEM) as unit:
        assert set(titles(unit, words)) == found


def test_without_words_everything_listed_is_there(units, shop):
    with units(SYSTEM) as unit:
        assert len(titles(unit)) == 7


def test_each_hit_says_why_it_stands_there(units, shop):
    with units(SYSTEM) as unit:
        (by_title,) = search(unit, Wanted(words="小数")).hits
        (by_author,) = search(unit, Wanted(words="知穗")).hits
        (by_keyword,) = search(unit, Wanted(words="竖式")).hits
        publish_signals(unit, [Signal(resource_id=by_title.resource_id, schools=3, renewals=2)])
        (renewed,) = search(unit, Wanted(words="小数")).hits
        newest = search(unit, Wanted(sort=Sort.NEWEST)).hits
    assert by_title.why == (Why.IN_TITLE,)  # the strongest place of a word is the one that is told
    assert by_author.why == (Why.NAMED,)
    assert by_keyword.why == (Why.DESCRIBES_IT,)
    assert renewed.why[-1] is Why.RENEWED
    assert {hit.why[0] for hit in newest} == {Why.NEW}


def test_a_word_in_the_title_comes_before_one_among_the_keywords(units, shop):
    with units(SYSTEM) as unit:
        listed(unit, [a_row(shop, "SX-9", "竖式计算", keywords=("荷花",))])
        assert titles(unit, "荷花") == [POEMS, "竖式计算"]
        assert titles(unit, "竖式") == ["竖式计算", DECIMALS]


def test_two_resources_of_one_title_are_two(units, shop):
    """Titles are no keys."""
    with units(SYSTEM) as unit:
        other = a_vendor(unit)
        listed(unit, [a_row(shop, "T-1", "同名资源"), a_row(other, "T-1", "同名资源")])
        keys = [hit.key for hit in search(unit, Wanted(words="同名资源")).hits]
        assert sorted(keys) == sorted([f"{shop.code}/T-1", f"{other.code}/T-1"])
        assert [hit.key for hit in hits_by_key(unit, keys)] == keys


def test_what_is_not_listed_is_found_by_nobody(units, shop):
    """A draft of one vendor is nothing that another, or its own search, could find."""
    with units(SYSTEM) as unit:
        submitted(unit, [a_row(shop, "D-1", "未上架的量子课")])
        manager = a_person(unit, shop, [Role.VENDOR_MANAGER])
        other = a_person(unit, a_vendor(unit), [Role.VENDOR_MANAGER])
    for actor in (manager, other, SYSTEM):
        with units(actor) as unit:
            assert titles(unit, "量子") == []
            assert titles(unit, vendor=shop.code, subject="数学").count("未上架的量子课") == 0
            assert hits_by_key(unit, [f"{shop.code}/D-1"]) == []


def test_what_is_listed_no_more_is_gone_whoever_changed_it(units, shop):
    """The database itself takes it off; a suspended one comes back when it is listed again."""
    with units(SYSTEM) as unit:
        hit = search(unit, Wanted(words="荷花")).hits[0]
        version = update(Version).where(Version.id == hit.version_id)
        unit.session.execute(version.values(state=VersionState.SUSPENDED))
        assert titles(unit, "荷花") == []
        unit.session.execute(version.values(state=VersionState.LISTED))
        assert titles(unit, "荷花") == []
        assert heal_listings(unit) == 1
        assert titles(unit, "荷花") == [POEMS]
        assert heal_listings(unit) == 0


def test_a_new_version_replaces_what_was_listed_when_it_is_listed_itself(units, shop):
    with units(SYSTEM) as unit:
        again = a_row(shop, "YW-1", "统编版语文三年级下册《燕子》单元课件", subject="语文")
        submitted(unit, [again])
        assert titles(unit, "荷花") == [POEMS]
        listed_at = hits_by_key(unit, [f"{shop.code}/YW-1"])[0].listed_at
        admit(unit, newest_versions(unit, [again]))
        assert titles(unit, "荷花") == []
        assert titles(unit, "燕子") == [again.title]
        assert hits_by_key(unit, [f"{shop.code}/YW-1"])[0].listed_at >= listed_at


def test_another_name_of_the_vendor_is_searched_by_from_the_next_sweep_on(units, shop):
    with units(SYSTEM) as unit:
        unit.session.execute(
            update(Organisation).where(Organisation.id == shop.id).values(name="新名科技")
        )
        assert heal_listings(unit) == 7
        assert len(titles(unit, "新名科技")) == 7


def test_a_price_of_tomorrow_counts_tomorrow(units, shop):
    with units(SYSTEM) as unit:
        day = units.clock.now().date() + timedelta(days=2)
        later = OfferRow(
            vendor_code=shop.code,
            sku="SX-1",
            valid_from=day,
            plan="per_use",
            unit_price_yuan=Decimal("9"),
        )
        took(record_offers(unit, [later]))
        assert hits_by_key(unit, [f"{shop.code}/SX-1"])[0].unit_price == Decimal("0.1")
        assert heal_listings(unit) == 0
    units.clock.advance(timedelta(days=3))
    with units(SYSTEM) as unit:
        assert heal_listings(unit) == 1
        assert titles(unit, sort=Sort.PRICE)[-1] == DECIMALS


def test_sorts_do_what_they_say(units, shop):
    with units(SYSTEM) as unit:
        listed(unit, [a_row(shop, "P-1", "尚未报价")], is_priced=False)
        cheap, dear = titles(unit, sort=Sort.PRICE)[0], titles(unit, sort=Sort.PRICE)[-1]
        assert (cheap, dear) == (SAFETY, "尚未报价")
        resource_id = hits_by_key(unit, [f"{shop.code}/EN-1"])[0].resource_id
        publish_signals(unit, [Signal(resource_id=resource_id, schools=4, renewals=3)])
        assert titles(unit, sort=Sort.RENEWED)[0] == ENGLISH
        assert titles(unit)[0] == ENGLISH
    units.clock.advance(timedelta(hours=1))
    with units(SYSTEM) as unit:
        listed(unit, [a_row(shop, "N-1", "最新一课")])
        assert titles(unit, sort=Sort.NEWEST)[0] == "最新一课"


def test_signals_outlive_what_is_listed(units, shop):
    with units(SYSTEM) as unit:
        hit = hits_by_key(unit, [f"{shop.code}/SX-1"])[0]
        publish_signals(unit, [Signal(resource_id=hit.resource_id, schools=2, ratings=2, stars=9)])
        unit.session.execute(update(Listing).values(schools=0, ratings=0, stars=0))
        refresh_listings(unit, [hit.resource_id])
        again = hits_by_key(unit, [f"{shop.code}/SX-1"])[0]
    assert (again.schools, again.ratings, again.stars) == (2, 2, 9)


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("words", ["", "课"])
def test_pages_follow_one_another_without_gap_or_repeat(units, shop, sort, words):
    with units(SYSTEM) as unit:
        listed(unit, [a_row(shop, f"K-{n}", f"第{n}课") for n in range(9)])
        whole = search(unit, Wanted(words=words, sort=sort, limit=200)).hits
        seen, after = [], ""
        while True:
            page = search(unit, Wanted(words=words, sort=sort, after=after, limit=4))
            seen += page.hits
            after = page.next
            if not after:
                break
    assert [hit.key for hit in seen] == [hit.key for hit in whole]
    assert len({hit.key for hit in seen}) == len(seen) >= 9


def test_behind_the_ranked_of_a_very_common_word_the_others_follow(units, shop):
    with units(SYSTEM) as unit:
        rows = [a_row(shop, f"C-{n:04}", f"常见词{n}") for n in range(CANDIDATES + 40)]
        listed(unit, rows)
        seen, after = [], ""
        while True:
            page = search(unit, Wanted(words="常见词", after=after, limit=100))
            seen += page.hits
            after = page.next
            if not after:
                break
    assert len(seen) == len({hit.key for hit in seen}) == CANDIDATES + 40


def test_what_is_called_so_comes_before_all_that_speaks_of_it(units, shop):
    """However many are used more: what has the word in its title is ranked, not the first alone."""
    with units(SYSTEM) as unit:
        rows = [
            a_row(shop, f"K-{n:04}", f"第{n}课", keywords=("生僻词",))
            for n in range(CANDIDATES + 40)
        ]
        titled = [a_row(shop, f"T-{n}", f"生僻词之{n}") for n in range(3)]
        listed(unit, [*rows, *titled])
        found = unit.session.execute(text("SELECT resource_id FROM listing WHERE sku LIKE 'K-%'"))
        publish_signals(unit, [Signal(resource_id=one, schools=2) for (one,) in found])
        seen, after = [], ""
        while True:
            page = search(unit, Wanted(words="生僻词", after=after, limit=30))
            seen += [hit.sku for hit in page.hits]
            after = page.next
            if not after:
                break
    assert set(seen[:3]) == {"T-0", "T-1", "T-2"}
    assert len(seen) == len(set(seen)) == CANDIDATES + 43


@pytest.mark.parametrize(
    "after", ["x", "W10", "WyJyYW5rIl0", "WyJwcmlvciIsIngiLCJ5Il0", "%%%", "WyJuZXdlc3QiXQ"]
)
def test_a_cursor_that_is_none_is_refused(units, shop, after):
    with units(SYSTEM) as unit, pytest.raises(InvalidInput):
        search(unit, Wanted(words="课", after=after))


IN_A_LISTING = {name: f"l.{name}" for name in FIELDS} | {
    "price": "CASE WHEN l.unit_price IS NULL THEN 'unpriced' WHEN l.unit_price = 0 THEN 'free' "
    "ELSE 'priced' END"
}
"""Each facet's word as a listing itself has it."""


def plain_count(unit, field: str, word: str, others: dict[str, str]) -> int:
    """Count by reading every listing and comparing it, nothing else."""
    rows = unit.session.execute(
        text(
            f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in IN_A_LISTING.items())} "
            "FROM listing l"
        )
    ).all()

    def fits(row, name: str, wanted: str) -> bool:
        value = getattr(row, name)
        return value == wanted or (name in SUITS_ANY and value == "")

    wanted = others | {field: word}
    return sum(all(fits(row, name, one) for name, one in wanted.items()) for row in rows)


@given(st.data())
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_facet_counts_equal_a_plain_count(units, shop, data):
    """Whatever is set: a word's count is what a plain count of all listings says."""
    values = {
        "stage": ["primary", "junior"],
        "subject": ["数学", "语文", "藏语文"],
        "type": ["课件", "视频"],
        "language": ["zh", "bo"],
        "price": ["free", "priced", "unpriced"],
        "reach": ["unstated", "everywhere", "some_equipment"],
        "grade": ["五年级", "四年级"],
    }
    names = data.draw(st.sets(st.sampled_from(sorted(values)), max_size=3))
    filters = {name: data.draw(st.sampled_from(values[name])) for name in sorted(names)}
    with units(SYSTEM) as unit:
        total, facets = count_results(unit, Wanted(filters=filters))
        assert total == len(titles(unit, **filters))
        for facet in facets:
            others = {name: word for name, word in filters.items() if name != facet.field}
            for word, count in facet.counts:
                assert count == plain_count(unit, facet.field, word, others)
                assert count == len(titles(unit, **others | {facet.field: word}))


def test_facets_count_what_the_words_found(units, shop):
    with units(SYSTEM) as unit:
        total, facets = count_results(unit, Wanted(words="课件"))
        nothing = count_results(unit, Wanted(words="!!!"))
    counts = {facet.field: dict(facet.counts) for facet in facets}
    assert total == 2
    assert counts["subject"] == {"数学": 1, "语文": 1}
    assert nothing == (0, [])


def test_what_is_not_found_is_counted_without_names(units, shop):
    with units(SYSTEM) as unit:
        school = a_school(unit)
        reviewer = a_person(unit, unit.session.get(Organisation, shop.id), [Role.VENDOR_MANAGER])
        teacher = a_person(unit, school, [Role.TEACHER])
    with units(teacher) as unit:
        note_miss(unit, "量子  力学")
        note_miss(unit, "量子 力学")
        note_miss(unit, "王" * 41)
        note_miss(unit, "???")
    for actor in (teacher, reviewer):
        with units(actor) as unit, pytest.raises(Refused):
            misses(unit)
    with units(SYSTEM) as unit:
        assert [(one.words, one.times) for one in misses(unit)] == [("量子 力学", 2)]
        columns = {column.name for column in SearchMiss.__table__.columns}
        assert columns == {"words", "times", "last_at"}
    units.clock.advance(KEPT_FOR + timedelta(days=1))
    with units(SYSTEM) as unit:
        forget_misses(unit)
        assert misses(unit) == []


def test_a_typed_text_is_bounded():
    assert query_of("字" * 10_000).count("'") < 1_000
    assert query_of(" ".join(f"w{n}" for n in range(1_000))).count("&") < 200


def test_a_listing_is_of_today(units, shop):
    with units(SYSTEM) as unit:
        hit = hits_by_key(unit, [f"{shop.code}/SX-1"])[0]
    assert hit.plan == "per_use" and hit.reach == "some_equipment"
    assert hit.why == ()
    assert date(2026, 1, 1) <= hit.listed_at.date()
