"""What is typed wrong names its option, empty lists say so, commands leave what they found."""

from pathlib import Path

import pytest

from kernel.identity.models import Organisation
from kernel.settings import Settings
from kernel.unit import Units
from market.cli.demo import stopped_again
from market.cli.main import FAILED, MISUSED
from market.embedded import ensure_server, server_url, stop_server
from tests.market.cli.conftest import Market
from tests.support.builders import a_learner
from tests.support.funding_builders import COUNTY, SCHOOL, CountyBuilder, a_county
from tests.support.settlement_builders import SYSTEM

RULE = ("fund", "rule", "--region", COUNTY, "--origin", "x")
YEAR_END = ("fund", "year-end-rule", "--region", COUNTY, "--source", "surcharge", "--origin", "x")
LENT = ("delegate", f"academic-{SCHOOL}", "--role", "academic")


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    return a_county(units)


@pytest.mark.parametrize(
    ("arguments", "name", "remedy"),
    [
        ((*RULE, "--from", "soon", "--share", "0.05"), "--from", "2026-03-01"),
        ((*RULE, "--from", "2026-01-01", "--share", "half"), "--share", "4 decimals"),
        (
            (*RULE, "--from", "2026-01-01", "--share", "1", "--share-minimum", "-1"),
            "--share-minimum",
            "not negative",
        ),
        ((*YEAR_END, "--from", "31.12.", "--outcome", "lapse"), "--from", "2026-03-01"),
        ((*LENT, "--from", "2026-09-01", "--until", "later"), "--until", "2026-03-01"),
        ((*LENT, "--from", "now", "--until", "2026-09-01"), "--from", "2026-03-01"),
        (("fund", "issue", "--year", "abc", "--preview"), "--year", "like 2026"),
        (("fund", "issue", "--year", "26", "--preview"), "--year", "like 2026"),
        (("fund", "close-year", "--year", "99999"), "--year", "like 2026"),
        (("export", "lines", "--year", "２０２６"), "--year", "like 2026"),
        (("export", "journal", "--to", "March"), "--to", "2026-03"),
        (("export", "statements", "March"), "PERIOD", "2026-03"),
        (("settle", "2026"), "PERIOD", "2026-03"),
        (("confirm", "2026-13"), "PERIOD", "2026-03"),
        (("preview", "x"), "PERIOD", "2026-03"),
        (("usage", "archive", "x"), "PERIOD", "2026-03"),
        (("usage", "restore", "x"), "PERIOD", "2026-03"),
        (("retention", "forfeit", "A-1", "x", "--because", "y"), "PERIOD", "2026-03"),
        (("simulate", "statement", "2026-03", "--ceiling", "1.001"), "--ceiling", "2 decimals"),
        (("simulate", "statement", "2026-03", "--period-cap", "x"), "--period-cap", "4 decimals"),
    ],
)
def test_what_is_typed_wrong_names_its_option_in_one_line(
    market: Market, arguments: tuple[str, ...], name: str, remedy: str
) -> None:
    found = market(*arguments)
    assert (found.status, found.out) == (MISUSED, "")
    assert found.err.count("\n") == 1 and found.err.startswith("market: ")
    assert f"'{name}'" in found.err and remedy in found.err
    assert f"See market {arguments[0]}" in found.err


def test_a_group_without_a_command_shows_its_help(market: Market) -> None:
    found = market("fund")
    assert found.status == MISUSED and "check-budget" in found.err


def test_the_tables_of_a_region_that_there_is_not_are_not_found(
    market: Market, county: CountyBuilder
) -> None:
    unknown = market("approval-rules", "show", "--region", "999999")
    assert (unknown.status, unknown.out) == (FAILED, "")
    assert "There is no region “999999” here." in unknown.err
    assert market("approval-rules", "show", "--region", COUNTY).out.startswith("100000 ")


def test_the_amount_of_a_step_names_the_option(market: Market, county: CountyBuilder) -> None:
    when = ("--region", COUNTY, "--from", "2099-01-01", "--reason", "x", "--as", "bureau")
    found = market("approval-rules", "propose", *when, "--step", "principal:many")
    assert found.status == FAILED and "--step" in found.err and "principal:many" in found.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("key", "list"), "There is no key yet"),
        (("device", "list"), "There is no box yet"),
        (("usage", "list"), "No usage has come in yet"),
        (("retention", "list"), "Nothing was ever held back"),
        (("selection", "waiting"), "No selection waits"),
        (("fund", "check-budget", "--all", "--as", "checker"), "No budget waits"),
    ],
)
def test_a_list_without_rows_says_so(
    market: Market, county: CountyBuilder, arguments: tuple[str, ...], sentence: str
) -> None:
    found = market(*arguments)
    assert found.status == 0 and sentence in found.out + found.err


def test_a_year_without_lines_to_compute_says_so(market: Market, units: Units) -> None:
    CountyBuilder(units).with_bureau()
    found = market("fund", "issue", "--year", "2026", "--preview", "--as", "bureau")
    assert found.status == 0 and "No school below the bureau" in found.out


def test_what_is_not_there_is_called_what_was_asked_for(
    market: Market, county: CountyBuilder
) -> None:
    budget = market("fund", "check-budget", "999", "--as", "checker")
    assert "There is no proposal of a budget “999” here." in budget.err
    table = market("approval-rules", "check", "999", "--as", "checker")
    assert "There is no proposal of a table of signatures “999” here." in table.err


def test_one_person_can_not_make_and_check_and_is_told_just_that(
    market: Market, county: CountyBuilder
) -> None:
    as_one = ("--make-as", "bureau", "--check-as", "bureau")
    found = market("fund", "issue", "--year", "2026", *as_one)
    assert found.status == FAILED and "bureau can't both make and check" in found.err
    assert "2026" not in found.err


@pytest.mark.parametrize("who", [f"no:pupil-{SCHOOL}", "bureau"])
def test_a_role_is_lent_to_nobody_but_a_colleague_and_the_error_names_who_was_typed(
    market: Market, county: CountyBuilder, who: str
) -> None:
    """R22, R29: no internal id, and no person number either."""
    with county.units(SYSTEM) as unit:
        head = county.actor(f"principal-{SCHOOL}")
        school = unit.session.get_one(Organisation, head.organisation_id)
        a_learner(unit, school, f"pupil-{SCHOOL}")
    days = ("--from", "2099-09-01", "--until", "2099-09-30")
    lent = market("delegate", who, "--role", "academic", *days, "--as", f"academic-{SCHOOL}")
    shown = "…" if who.startswith("no:") else who
    assert lent.status == FAILED and f"There is no colleague “{shown}” here." in lent.err


@pytest.mark.parametrize(
    ("first", "last", "role", "colleague", "name"),
    [
        ("2099-09-30", "2099-09-01", "academic", f"teacher-{SCHOOL}", "--until"),
        ("2099-09-01", "2099-09-30", "academic", f"academic-{SCHOOL}", "COLLEAGUE"),
        ("2099-09-01", "2099-09-30", "teacher", f"teacher-{SCHOOL}", "--role"),
    ],
)
def test_what_is_wrong_with_a_delegation_names_the_option(
    market: Market,
    county: CountyBuilder,
    *,
    first: str,
    last: str,
    role: str,
    colleague: str,
    name: str,
) -> None:
    days = ("--from", first, "--until", last)
    found = market("delegate", colleague, "--role", role, *days, "--as", f"academic-{SCHOOL}")
    assert found.status == FAILED and f"of {name} is not valid" in found.err


def test_the_demo_leaves_the_database_as_it_found_it(tmp_path: Path) -> None:
    settings = Settings.load({"MARKET_HOME": str(tmp_path)})
    try:
        with stopped_again(settings):
            ensure_server(settings)
        assert server_url(settings) is None
        ensure_server(settings)
        with stopped_again(settings):
            ensure_server(settings)
        assert server_url(settings) is not None
    finally:
        stop_server(settings)
