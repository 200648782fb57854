"""What search matches is what the listings say, whoever wrote them and whatever changed (R8)."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import delete, select, text, update

from catalog.facets import MADE, SUITED
from catalog.listing_models import Listing, ListingMatch
from catalog.listings import Signal, heal_listings, publish_signals
from catalog.models import Version
from catalog.offers import OfferRow, record_offers
from catalog.places import Placed, publish_places
from catalog.search import CANDIDATES, Sort, Wanted, hits_by_key, search
from catalog.states import VersionState
from catalog.tokens import any_of, only_in
from kernel.identity.models import Organisation
from market.schema import alembic_config
from tests.support.builders import a_region_tree, a_vendor, admit, took
from tests.support.catalogue_builders import a_row, listed, newest_versions, submitted, titles
from tests.support.settlement_builders import SYSTEM
from tests.support.worlds import a_world

ALIKE = ("vendor_id", "prior", "renewals", "place", "listed_at", "price_order")


@pytest.fixture
@a_world
def shop(units):
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        firm = a_vendor(unit)
        rows = [
            a_row(firm, "A-1", "小数乘法", grade="五年级", type="课件", edition="人教版"),
            a_row(firm, "A-2", "荷花", subject="语文", type="音频", language="bo"),
            a_row(firm, "A-3", "防溺水", stage="", subject="安全教育", kind="basic"),
        ]
        listed(unit, rows)
        listed(unit, [a_row(firm, "A-4", "尚未报价")], is_priced=False)
        return firm


def assert_alike(unit, *, rows: int) -> None:
    """Compare each listing with what search reads of it, word by word."""
    unit.session.expire_all()
    words = [f"s.{name}" for name in SUITED] + [f"d.{name}" for name in MADE]
    matches = {
        one.resource_id: tuple(one)[1:]
        for one in unit.session.execute(
            text(
                f"SELECT m.resource_id, {', '.join(f'm.{name}' for name in ALIKE)}, "
                f"{', '.join(words)}, tsvector_to_array(m.tokens) FROM listing_match m "
                "JOIN listing_suited s ON s.id = m.suited_id "
                "JOIN listing_made d ON d.id = m.made_id"
            )
        )
    }
    listings = unit.session.scalars(select(Listing)).all()
    found = unit.session.execute(
        text(
            "SELECT resource_id, tsvector_to_array(tokens), "
            "tsvector_to_array(ts_filter(tokens, '{a}')) FROM listing"
        )
    )
    tokens = {
        resource_id: sorted([*words, *(f"t:{word}" for word in of_title)], key=str.encode)
        for resource_id, words, of_title in found
    }
    assert len(matches) == len(listings) == rows
    for one in listings:
        priced = "unpriced" if one.unit_price is None else "priced" if one.unit_price else "free"
        facets = {"price": priced, "plan": one.plan or ""}
        assert matches[one.resource_id] == (
            *(getattr(one, name) for name in ALIKE),
            *(facets.get(name, getattr(one, name, None)) for name in (*SUITED, *MADE)),
            tokens[one.resource_id],
        )


def test_what_is_searched_is_what_is_listed_whatever_changes(units, shop):
    with units(SYSTEM) as unit:
        assert_alike(unit, rows=4)
        first = hits_by_key(unit, [f"{shop.code}/A-1"])[0]
        publish_signals(unit, [Signal(resource_id=first.resource_id, schools=2, renewals=1)])
        assert_alike(unit, rows=4)
        again = a_row(shop, "A-2", "燕子", subject="音乐", type="视频")
        submitted(unit, [again])
        admit(unit, newest_versions(unit, [again]))
        assert titles(unit, "燕子", subject="音乐") == ["燕子"]
        assert titles(unit, "荷花") == []
        assert_alike(unit, rows=4)
        place = Placed(resource_id=first.resource_id, place=1, is_newcomer=True, is_slot=True)
        publish_places(unit, [place])
        assert titles(unit, sort=Sort.RANKED)[0] == "小数乘法"
        assert_alike(unit, rows=4)
        unit.session.execute(
            update(Organisation).where(Organisation.id == shop.id).values(name="新名科技")
        )
        assert heal_listings(unit) == 4
        assert len(titles(unit, "新名科技")) == 4
        assert_alike(unit, rows=4)
        version = update(Version).where(Version.id == first.version_id)
        unit.session.execute(version.values(state=VersionState.SUSPENDED))
        assert_alike(unit, rows=3)


def test_a_place_is_asked_for_words_by_their_weight(units):
    """As if the listing had no other words; quotes and beginnings stay what they are."""
    asked = any_of("勾股 sx-1 ai x' \\ ཡིག")
    vector = "'勾股':1A 'sx':1C '1':1B 'x':1A 'aim':1B 'ཡིག':1C"
    with units(SYSTEM) as unit:
        for weight in "ABC":
            for words in (asked, "'勾股':* & 'x'", "'it''s' | 'ai':*", "'a\\\\' | '1'"):
                given = {"v": vector, "q": words, "only": only_in(words, weight)}
                same = text(
                    f"SELECT ts_filter(CAST(:v AS tsvector), '{{{weight}}}') @@ "
                    "CAST(:q AS tsquery), CAST(:v AS tsvector) @@ CAST(:only AS tsquery)"
                )
                filtered, asked_for = unit.session.execute(same, given).one()
                assert filtered == asked_for


def test_a_price_moves_a_listing_to_the_words_of_its_price(units, shop):
    with units(SYSTEM) as unit:
        assert titles(unit, price="unpriced") == ["尚未报价"]
        offer = OfferRow(
            vendor_code=shop.code,
            sku="A-4",
            valid_from=units.clock.now().date() + timedelta(days=1),
            plan="per_learner",
            unit_price_yuan=Decimal(3),
        )
        took(record_offers(unit, [offer]))
    units.clock.advance(timedelta(days=2))
    with units(SYSTEM) as unit:
        heal_listings(unit)
        assert titles(unit, price="unpriced") == []
        assert titles(unit, price="priced", plan="per_learner") == ["尚未报价"]
        assert_alike(unit, rows=4)


def test_one_statement_of_anybody_is_enough(units, shop):
    with units(SYSTEM) as unit:
        unit.session.execute(update(Listing).values(subject="音乐", prior=7, unit_price=0))
        assert len(titles(unit, subject="音乐", price="free")) == 4
        assert_alike(unit, rows=4)
        unit.session.execute(delete(Listing).where(Listing.sku == "A-1"))
        assert_alike(unit, rows=3)


def test_a_listing_that_search_does_not_know_is_healed(units, shop):
    with units(SYSTEM) as unit:
        unit.session.execute(delete(ListingMatch))
        assert titles(unit, "小数") == []
        assert heal_listings(unit) == 4
        assert titles(unit, "小数") == ["小数乘法"]
        assert heal_listings(unit) == 0
        assert_alike(unit, rows=4)


def test_words_of_what_is_searched_lie_out_of_the_row(units, shop):
    """Else each row that is only ordered or counted would be as wide as the listing."""
    with units(SYSTEM) as unit:
        rows, apart, widest = unit.session.execute(
            text(
                "SELECT count(*), count(pg_column_toast_chunk_id(tokens)), "
                "max(pg_column_size(m.*) - pg_column_size(tokens)) FROM listing_match m"
            )
        ).one()
    assert rows == apart == 4
    assert widest < 240


def test_two_that_list_the_same_new_words_at_once_have_them_once(units, shop):
    """The second waits for the first to be done, and takes its words."""

    def row(sku: str):
        return a_row(shop, sku, "新学科", subject="美术", type="视频")

    def listing() -> None:
        with units(SYSTEM) as unit:
            listed(unit, [row("B-2")])

    other = threading.Thread(target=listing)
    with units(SYSTEM) as unit:
        listed(unit, [row("B-1")])
        other.start()
        other.join(timeout=0.5)
    other.join()
    with units(SYSTEM) as unit:
        assert len(titles(unit, subject="美术")) == 2
        known = "SELECT count(*) FROM listing_suited WHERE subject = '美术'"
        assert unit.session.scalar(text(known)) == 1
        assert_alike(unit, rows=6)


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("common", [True, False])
def test_the_order_is_the_same_walked_or_sorted(units, shop, sort, common):
    """A word that is common among the first is walked, one that is not is sorted; then both."""
    with units(SYSTEM) as unit:
        rows = [a_row(shop, f"C-{n:03}", f"{'常见' if n % 2 else '少有'}词{n}") for n in range(120)]
        listed(unit, rows)
        first = 3 if common else 0
        ids = unit.session.execute(text("SELECT resource_id, title FROM listing ORDER BY sku"))
        signals = [
            Signal(resource_id=one, schools=n % 7 + first * ("常见" in title), renewals=n % 5)
            for n, (one, title) in enumerate(ids)
        ]
        publish_signals(unit, signals)
        unit.session.execute(update(Listing).values(place=100 - Listing.prior))
        whole = [
            hit.key
            for hit in search(unit, Wanted(sort=sort, limit=200)).hits
            if "常见" in hit.title
        ]
        seen, after = [], ""
        while True:
            wanted = Wanted(words="常见", filters={"kind": "personalised"}, sort=sort, after=after)
            page = search(unit, wanted)
            seen += [hit.key for hit in page.hits]
            after = page.next
            if not after:
                break
        plain = search(unit, Wanted(words="常见", sort=sort, limit=200))
    assert [hit.key for hit in plain.hits] == seen
    if sort is Sort.RELEVANCE:
        assert sorted(seen) == sorted(whole)
    else:
        assert seen == whole


@pytest.mark.parametrize("dense", [40, CANDIDATES + 40])
def test_a_word_that_is_common_at_first_and_rare_behind_is_found_whole(units, shop, dense):
    with units(SYSTEM) as unit:
        rows = [a_row(shop, f"D-{n:04}", f"{'密' if n < dense else '疏'}集{n}") for n in range(380)]
        rows += [a_row(shop, "Z-1", "密集在后")]
        listed(unit, rows)
        found = unit.session.execute(text("SELECT sku, resource_id FROM listing"))
        ids = dict(iter(found))
        publish_signals(
            unit, [Signal(resource_id=ids[f"D-{n:04}"], renewals=1) for n in range(dense)]
        )
        seen, after = [], ""
        while True:
            page = search(unit, Wanted(words="密集", after=after, limit=100))
            seen += [hit.sku for hit in page.hits]
            after = page.next
            if not after:
                break
    assert len(seen) == len(set(seen)) == dense + 1
    assert "Z-1" in seen


def before(units, migration: str) -> None:
    """Take the database back to before a migration, named by the end of its file's name."""
    found = next(
        one
        for one in ScriptDirectory.from_config(alembic_config()).walk_revisions()
        if one.path.endswith(migration)
    )
    assert isinstance(found.down_revision, str)
    with units.engine.begin() as connection:
        command.downgrade(alembic_config(connection), found.down_revision)


def to_head(units) -> None:
    with units.engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    units.engine.dispose()


def test_what_was_listed_before_is_searched_from_the_first_day(units, shop):
    """The migration takes in what is listed; back and forth, nothing is lost."""
    before(units, "_narrow_listings.py")
    to_head(units)
    with units(SYSTEM) as unit:
        assert_alike(unit, rows=4)
        assert titles(unit, "小数", grade="五年级") == ["小数乘法"]


def test_what_is_basic_and_was_listed_without_an_offer_is_free_from_the_upgrade_on(units, shop):
    before(units, "_free_by_policy.py")
    with units.engine.begin() as connection:
        connection.execute(text("ALTER TABLE offer DISABLE TRIGGER USER"))
        connection.execute(text("DELETE FROM offer"))
        connection.execute(text("ALTER TABLE offer ENABLE TRIGGER USER"))
        connection.execute(
            text("UPDATE listing SET plan = NULL, unit_price = NULL, price_order = 999999999")
        )
    to_head(units)
    with units(SYSTEM) as unit:
        assert titles(unit, price="free") == ["防溺水"]
        assert_alike(unit, rows=4)
        assert heal_listings(unit) == 0
