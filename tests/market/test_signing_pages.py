"""Whoever signs sees the money: lines that would pay, what they have and lack (R22, R23)."""

import re
from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.identity.grants import actor_of
from kernel.ids import SelectionId
from kernel.money import yuan
from kernel.settings import Settings
from kernel.unit import Units
from procurement.agreement_requests import request_ceiling
from procurement.approvals import sign
from procurement.delegations import delegate
from procurement.due_steps import waiting_steps
from procurement.queries import selection
from procurement.requests import Wanted, request_basket
from procurement.signing_previews import SigningPreview, signing_preview
from tests.support.application import an_app
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import SIGNATURES, Site, a_site, csrf_token, sign_in


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units, disputes=True)


@pytest.fixture
def client(settings: Settings, units: Units, site: Site) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def requested(units: Units, site: Site, *ceilings_fen: int) -> list[UUID]:
    """Have the teacher request the two resources of this vendor, as far as there are ceilings."""
    with units(SYSTEM) as unit:
        teacher = actor_of(unit, login=Role.TEACHER, via="test")
    wanted = [
        Wanted(
            vendor_code=site.market.vendor.code,
            sku=f"SKU-{number}",
            starts_on=date(2026, 9, 1),
            ends_on=date(2026, 12, 31),
            ceiling_fen=ceiling_fen,
            reason="新学期",
        )
        for number, ceiling_fen in enumerate(ceilings_fen, start=3)
    ]
    with units(teacher) as unit:
        return list(request_basket(unit, wanted))


def previewed(units: Units, site: Site, selection_id: UUID, *others: UUID) -> SigningPreview | None:
    with units(SYSTEM) as unit:
        principal = actor_of(unit, login=Role.PRINCIPAL, via="test")
    with units(principal) as unit:
        return signing_preview(unit, selection_id, together=others)


def test_everybody_who_signs_is_told_what_the_lines_lack_and_may_sign_nevertheless(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    """R22, R23: a shortage is said at every position; only the last signature is refused."""
    (selection_id,) = requested(units, site, 9_999_999_900)
    found = previewed(units, site, selection_id)
    assert found is not None
    short, available = yuan(found.short_fen), yuan(found.lines[0].available_fen)
    assert found.short_fen + found.lines[0].available_fen == 9_999_999_900
    for place, one in enumerate(SIGNATURES, start=1):
        sign_in(client, one.role)
        desk = "bureau/approvals" if one.role is Role.BUREAU_FINANCE else "school/selections"
        page = client.get(f"/{desk}/{selection_id}").text
        money = page.split('id="money"', 1)[1].split("</section>", 1)[0]
        assert f"缺 {short} 元。" in money and "notice--missing" in money, one.role
        assert f'<span class="money missing">{short}</span>' in money
        assert "现在仍可签批" in money and f'<span class="money">{available}</span>' in money
        signed = client.post(
            f"/{desk}/{selection_id}/decision",
            data={"csrf_token": csrf_token(client), "act": "approve"},
            follow_redirects=False,
        )
        assert signed.status_code == (409 if place == len(SIGNATURES) else 303), one.role


def test_what_is_covered_shows_its_lines_and_no_shortage(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    """R23, R49: the request of the site is covered; what is decided shows no money any more."""
    found = previewed(units, site, site.selection_id or site.line_id)
    assert found is not None
    assert [(one.amount_fen, one.kept_fen) for one in found.lines] == [(2_000, 0)]
    assert (found.short_fen, found.together_short_fen) == (0, 0)
    sign_in(client, Role.ACADEMIC)
    address = f"/school/selections/{site.selection_id}"
    money = client.get(address).text.split('id="money"', 1)[1].split("</section>", 1)[0]
    assert "notice--missing" not in money and "20.00" in money
    sign_in(client, Role.RESEARCH_LEAD)
    form = {"csrf_token": csrf_token(client), "act": "refuse", "note": "不需要"}
    client.post(f"{address}/decision", data=form)
    assert 'id="money"' not in client.get(address).text


def test_what_was_requested_together_takes_from_the_same_lines(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    """R23: each is covered by itself, both are not; that is said of both."""
    first, second = requested(units, site, 60_000, 50_000)
    found = previewed(units, site, first, second)
    assert found is not None
    assert found.short_fen == 0
    available = found.lines[0].available_fen
    assert found.together_short_fen == 110_000 - available
    assert previewed(units, site, second) is not None
    sign_in(client, Role.RESEARCH_LEAD)
    page = client.get(f"/school/selections/{second}").text
    assert "一并申请的其他资源，经费额度共缺" in page


def test_a_raise_shows_what_it_adds_and_a_lowered_ceiling_needs_no_money(
    units: Units, site: Site
) -> None:
    """R23: and what another school asks for is nobody else's to see."""
    with units(SYSTEM) as unit:
        finance = actor_of(unit, login=Role.SCHOOL_FINANCE, via="test")
        neighbour = actor_of(unit, login="other-finance", via="test")
    number = f"{site.market.school.code}-A-4"
    with units(finance) as unit:
        raised = request_ceiling(unit, number, ceilings={2026: 1_500}, reason="用得多")
        assert selection(unit, raised).ceiling_fen == 1_000
        found = signing_preview(unit, raised)
        assert found is not None and found.amount_fen == 1_000
    with units(neighbour) as unit:
        assert signing_preview(unit, raised) is None
    with units(finance) as unit:
        number = f"{site.market.school.code}-A-3"
        lowered = request_ceiling(unit, number, ceilings={2026: 400}, reason="用得少")
        assert signing_preview(unit, lowered) is None


def test_what_was_returned_is_requested_anew_as_it_was(
    client: TestClient[Litestar], site: Site
) -> None:
    """R22: the days, the reason and the ceiling stand in the draft, to be mended."""
    address = f"/school/selections/{site.selection_id}"
    sign_in(client, Role.TEACHER)
    assert 'id="anew"' not in client.get(address).text
    sign_in(client, Role.RESEARCH_LEAD)
    form = {"csrf_token": csrf_token(client), "act": "return", "note": "上限偏高"}
    client.post(f"{address}/decision", data=form)
    sign_in(client, Role.TEACHER)
    page = client.get(address).text
    assert 'id="anew"' in page and "重新申请" in page
    anew = client.post(
        f"{address}/anew", data={"csrf_token": csrf_token(client)}, follow_redirects=False
    )
    assert anew.headers["location"] == "/school/resources/request"
    draft = client.get("/school/resources/request").text
    for typed in ("2026-09-01", "2026-12-31", "20.00"):
        assert f'value="{typed}"' in draft, typed
    assert "新学期继续使用" in draft
    sign_in(client, Role.BUREAU_FINANCE)
    assert 'id="anew"' not in client.get(f"/bureau/approvals/{site.selection_id}").text


def test_what_is_not_returned_or_not_typed_is_not_requested_anew(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.TEACHER)
    address = f"/school/selections/{site.selection_id}"
    anew = client.post(
        f"{address}/anew", data={"csrf_token": csrf_token(client)}, follow_redirects=False
    )
    assert anew.headers["location"] == address


def test_the_navigation_counts_what_waits_for_the_readers_signature(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    """R22: as many as the inbox lists, in one's own role or in another's place."""
    first, _ = requested(units, site, 1_000, 1_000)
    with units(SYSTEM) as unit:
        lead = actor_of(unit, login=Role.RESEARCH_LEAD, via="test")
        deputy = actor_of(unit, login=Role.ACADEMIC, via="test")
        teacher = actor_of(unit, login=Role.TEACHER, via="test")
        assert lead.person_id and deputy.person_id and teacher.person_id
    assert waiting(client, units, Role.RESEARCH_LEAD) == 3
    assert waiting(client, units, Role.ACADEMIC) == 0
    with units(lead) as unit:
        for person_id in (deputy.person_id, teacher.person_id):
            today = shanghai_day(unit.clock.now())
            delegate(
                unit,
                role=Role.RESEARCH_LEAD,
                holder_id=lead.person_id,
                delegate_id=person_id,
                starts_on=today,
                ends_on=today,
            )
    assert waiting(client, units, Role.ACADEMIC) == 3
    assert waiting(client, units, Role.TEACHER) == 0  # who requested signs it in nobody's place
    with units(lead) as unit:
        sign(unit, SelectionId(first))
    assert waiting(client, units, Role.RESEARCH_LEAD) == 2
    assert waiting(client, units, Role.ACADEMIC) == 3
    assert waiting(client, units, Role.BUREAU_FINANCE) == 0


def waiting(client: TestClient[Litestar], units: Units, login: str) -> int:
    """Return what the navigation counts for this person; it is what their inbox lists."""
    sign_in(client, login)
    page = client.get("/catalog").text
    found = re.search(r'/approvals"[^>]*>[^<]+<span class="header__count">(\d+)<', page)
    counted = int(found[1]) if found else 0
    with units(SYSTEM) as unit:
        actor = actor_of(unit, login=login, via="test")
    with units(actor) as unit:
        assert len(waiting_steps(unit)) == counted, login
    return counted
