"""Bulk purchases on pages: what is wrong, what each may see, exports, and the bureau's own bill."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.identity.credentials import set_password
from kernel.settings import Settings
from kernel.unit import Units
from procurement.policy import Threshold
from settlement.queries.lines import lines_of
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.bulk_builders import Buyer, a_buyer, closed, on
from tests.support.funding_builders import VENDOR
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in

NEW = "/bureau/bulk/new"
FORM = {
    "resource": f"{VENDOR}/maths-1",
    "starts_on": "2026-09-01",
    "ends_on": "2026-12-31",
    "ceiling": "15.00",
    "reason": "maths for all",
}


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    return a_buyer(units)


@pytest.fixture
def client(settings: Settings, units: Units, buyer: Buyer) -> Iterator[TestClient[Litestar]]:
    buyer.county.with_other_bureau()
    with units(SYSTEM) as unit:
        for login in ("bureau", "checker", "elsewhere", f"principal-{buyer.codes[0]}"):
            person = buyer.county.actor(login).person_id
            assert person is not None
            set_password(unit, person, login=login, password=PASSWORD)
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html", "accept-language": "en"})
        yield client


def send(client: TestClient[Litestar], path: str, **form: str):
    return client.post(
        path, data={"csrf_token": csrf_token(client), **form}, follow_redirects=False
    )


WRONG: list[tuple[dict[str, str], str]] = [
    ({"resource": ""}, "field-resource"),
    ({"resource": f"{VENDOR}/nothing"}, "nothing"),
    ({"ceiling": "x"}, "field-ceiling"),
    ({"starts_on": "soon"}, "field-starts_on"),
    ({"ends_on": "2027-01-31"}, "field-later"),
    ({"how": "alike", "each": ""}, "field-each"),
    ({"how": "alike", "each": "16.00"}, "field-schools"),
    ({"how": "listed", "schools": "3299010101"}, "field-schools"),
    ({"how": "listed", "schools": "9999999999 15.00"}, "9999999999"),
    ({"stage": "senior"}, "field-region"),
    ({"act": "request", "reason": " "}, "field-reason"),
]


def test_what_is_wrong_with_a_bulk_purchase_stands_beside_its_field(
    client: TestClient[Litestar],
) -> None:
    """R24: and nothing that was typed is lost."""
    sign_in(client, "bureau")
    token = csrf_token(client)
    for typed, shown in WRONG:
        answer = client.post(NEW, data={"csrf_token": token, **FORM, **typed})
        assert answer.status_code == 422, typed
        assert shown in answer.text.split("form-errors", 1)[1].split("</ul>", 1)[0], typed
        assert FORM["ends_on"] in answer.text or "ends_on" in typed


IN_CHINESE: list[tuple[dict[str, str], str]] = [
    ({"how": "alike", "each": "1.00"}, "“15.00”无效。应为：不超过 3.00，即各校上限之和。"),
    ({"how": "alike", "each": "16.00"}, "应为：0.01 – 15.00，即全部学校的上限。"),
    ({"stage": "senior"}, "本局没有符合这些条件的学校。"),
    ({"how": "listed", "schools": "1 2 3"}, "应为：3301010001 500.00，每所学校一行。"),
    ({"ends_on": "2031-12-31"}, "一份申请最多跨两个财政年度"),
]


def test_what_is_wrong_is_said_in_chinese_and_in_the_words_of_the_form(
    client: TestClient[Litestar],
) -> None:
    """R24: neither a field by its inner name nor an English expectation."""
    client.headers.update({"accept-language": "zh-CN"})
    sign_in(client, "bureau")
    token = csrf_token(client)
    for typed, shown in IN_CHINESE:
        answer = client.post(NEW, data={"csrf_token": token, **FORM, **typed})
        faults = answer.text.split("form-errors", 1)[1].split("</ul>", 1)[0]
        assert shown in faults, faults
        assert "_yuan" not in faults and "“region”" not in faults


def test_a_list_of_schools_is_requested_and_changed_on_pages(
    client: TestClient[Litestar], buyer: Buyer
) -> None:
    """R24: typed line by line, signed by another, a school joins and another's ceiling changes."""
    first, second, third = buyer.codes
    sign_in(client, "bureau")
    listed = f"{first} 10.00\n{second}\t5.00"
    asked = send(client, NEW, **FORM, how="listed", schools=listed, act="request")
    address = asked.headers["location"]
    assert "For 2 schools and teaching points" in client.get(address).text
    sign_in(client, "checker")
    assert send(client, f"{address}/decision", act="approve").status_code == 303
    sign_in(client, "bureau")
    address = "/bureau/bulk/329901-2026-0001"
    wrong = send(client, f"{address}/schools", act="ceiling", school=first, ceiling="99.00")
    assert wrong.status_code == 422
    done = send(
        client, f"{address}/schools", act="ceiling", school=first, ceiling="12.00", reason="more"
    )
    asked = [done.headers["location"]]
    lines = {"act": "add", "schools": f"{third} 3.00", "reason": "new"}
    undated = send(client, f"{address}/schools", **lines)
    assert "field-from_day" in undated.text.split("form-errors", 1)[1].split("</ul>", 1)[0]
    done = send(client, f"{address}/schools", from_day="2026-09-10", **lines)
    asked.append(done.headers["location"])
    waiting = client.get(address).text
    assert all(one in waiting for one in asked)
    assert "raised by" not in waiting
    own = send(client, f"{asked[0]}/check")
    assert "has to check" in own.text
    sign_in(client, "checker")
    home = client.get("/bureau").text
    assert all(one in home for one in asked)
    assert "2026-09-10" in client.get(asked[1]).text
    assert [send(client, f"{one}/check").status_code for one in asked] == [303, 303]
    page = client.get(address).text
    assert "raised by 2.00 yuan: more" in page
    assert "joins on 2026-09-10, up to 3.00 yuan: new" in page
    assert "2026-09-10 to 2026-12-31" in page
    sign_in(client, "bureau")
    raised = send(
        client, "/bureau/agreements/329901-2026-0001/ceiling", first="18.00", reason="more"
    )
    assert raised.headers["location"].startswith("/bureau/approvals/")


def test_a_resource_is_chosen_from_a_list_that_is_searched(client: TestClient[Litestar]) -> None:
    """R24: by its title, page by page; what is chosen stands in the form with its price."""
    sign_in(client, "bureau")
    found = client.get(NEW, params={"words": "maths"}).text
    link = f"{NEW}?resource={VENDOR}/maths-1"
    assert link in found
    assert link not in client.get(NEW, params={"words": "chemistry"}).text
    form = client.get(link).text
    assert "资源 maths-1" in form
    assert 'name="ends_on"' in form
    assert 'name="ends_on"' not in client.get(f"{NEW}?resource=nothing").text


def test_without_a_row_for_bulk_purchases_the_way_out_is_said(
    client: TestClient[Litestar], buyer: Buyer
) -> None:
    """R22: the installation's own table has none."""
    buyer.county.rules(Threshold(position=1, role=Role.ACADEMIC, from_amount_fen=0))
    sign_in(client, "bureau")
    answer = send(client, NEW, **FORM)
    assert answer.status_code == 422
    assert "has no row for bulk purchases" in answer.text
    assert "kind=bulk" in answer.text


def test_a_school_sees_its_own_part_and_another_bureau_nothing(
    client: TestClient[Litestar], buyer: Buyer
) -> None:
    """R24, R49."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    sign_in(client, f"principal-{buyer.codes[0]}")
    own = client.get("/school/bulk").text
    assert f"第{buyer.codes[0]}学校" in own
    assert f"第{buyer.codes[1]}学校" not in own
    assert client.get(f"/bureau/bulk/{number}").status_code == 403
    assert client.get("/school/bulk/nothing/decline").status_code == 404
    sign_in(client, "elsewhere")
    assert client.get(f"/bureau/bulk/{number}").status_code == 404
    assert client.get(f"/bureau/bulk/{number}/schools").status_code == 404
    assert client.get(f"/bureau/agreements/{number}").status_code == 404
    assert number not in client.get("/bureau/bulk").text


def test_the_breakdown_is_exported_and_the_bureau_confirms_its_own_line(
    client: TestClient[Litestar], buyer: Buyer, clock: FixedClock
) -> None:
    """R24, R36: the parts of the line as CSV add up to it."""
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    clock.at = on(9, 20)
    buyer.use(dict(zip(buyer.codes, [7, 1, 2], strict=True)))
    closed(buyer, clock, 9)
    with buyer.units(SYSTEM) as unit:
        [line] = lines_of(unit)
    sign_in(client, "bureau")
    address = f"/bureau/statements/2026-09/lines/{line.id}"
    table = client.get(f"{address}/schools?format=csv").content.decode("utf-8-sig").splitlines()
    assert [row.split(",")[1:] for row in table[1:]] == [
        [buyer.codes[0], "7", "7.00", "2.00", "5.00"],
        [buyer.codes[1], "1", "1.00", "0.00", "1.00"],
        [buyer.codes[2], "2", "2.00", "0.00", "2.00"],
        ["", "10", "10.00", "2.00", "8.00"],
    ]
    assert client.get(address).status_code == 200
    assert client.get("/bureau/statements/2026-09/print").status_code == 200
    assert client.get(f"{address}/dispute").status_code == 200
    asked = client.get("/bureau/statements/2026-09/confirm")
    assert asked.status_code == 200
    done = send(
        client,
        "/bureau/statements/2026-09/confirm",
        amount_fen="800",
        line_id=str(line.id),
    )
    assert done.status_code == 303
