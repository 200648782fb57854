"""`market fund early-use` and `market fund unfunded`, by the people concerned (R25, R35)."""

from kernel.actors import Role
from kernel.clock import FixedClock, parse_month
from kernel.unit import Units
from settlement.closing import settle
from tests.support.agreement_builders import across, on
from tests.support.builders import a_person
from tests.support.settlement_builders import (
    SYSTEM,
    a_market,
    a_use,
    confirm_all,
    deliver,
)

JANUARY = parse_month("2027-01")


def test_rule_and_consent_are_recorded_and_the_queue_is_listed(
    units: Units, clock: FixedClock, market
) -> None:
    """R25, R35: for a year far ahead, since commands go by the machine's clock."""
    sold = a_market(units)
    with units(SYSTEM) as unit:
        a_person(unit, sold.bureau, [Role.BUREAU_FINANCE], login="maker")
        a_person(unit, sold.bureau, [Role.BUREAU_FINANCE], login="checker")
        a_person(unit, sold.vendor, [Role.VENDOR_MANAGER], login="vendor")
    early = ("fund", "early-use")
    given = market(*early, "consent", "--cap", "6.00", "--from", "2098-09-01", "--as", "vendor")
    assert (given.status, "6.00 yuan" in given.out) == (0, True)
    rule = (
        *(*early, "propose", "--year", 2099, "--from", "2098-09-01", "--origin", "文件"),
        *("--total", "100", "--as", "maker"),
    )
    refused = market(*rule, "--per-payer", "200")
    assert (refused.status, "--per-payer" in refused.err) == (1, True)
    refused = market(*rule, "--per-payer", "-2")
    assert (refused.status, "“-2” of --per-payer" in refused.err) == (1, True)
    refused = market(*early, "consent", "--cap", "6", "--from", "morgen", "--as", "vendor")
    assert (refused.status, "“morgen” of --from" in refused.err) == (1, True)
    assert "There is no rule" in market(*early, "rules", "--as", "maker").out
    number = market(*rule, "--per-payer", "20", "--json").json["proposal"]
    assert market(*early, "check", number, "--as", "maker").status == 1
    assert market(*early, "check", number, "--as", "checker").status == 0
    (row,) = market(*early, "rules", "--as", "maker", "--json").json
    assert (row["number"], row["state"], row["total_cap_fen"]) == (number, "in_force", 10_000)
    assert number in market(*early, "rules", "--as", "maker").out
    assert market(*early, "memoranda", "--json").json == []
    assert "No agreement" in market(*early, "memoranda", "--payer", sold.school.code).out
    for command in ((*early, "memoranda"), ("fund", "unfunded")):
        unknown = market(*command, "--payer", "0000000000")
        assert (unknown.status, unknown.out, "0000000000" in unknown.err) == (1, "", True)
    assert "Nothing waits" in market("fund", "unfunded", "--payer", sold.school.code).out

    clock.at = on(2026, 9, 1)
    across(units, sold, first_fen=500, later_fen=800)
    clock.at = on(2027, 2, 1)
    deliver(units, [a_use(units, sold, f"j{n}", on(2027, 1, n + 1)) for n in range(4)])
    settle(units, SYSTEM, JANUARY)
    confirm_all(units, sold, JANUARY)
    (waits,) = market("fund", "unfunded", "--payer", sold.school.code, "--json").json
    assert (waits["of_month"], waits["unfunded_fen"], waits["memorandum_fen"]) == (
        *("2027-01", 400),
        0,
    )
    assert "4.00" in market("fund", "unfunded").out
    decide = ("fund", "decide-unfunded", f"{sold.school.code}-X-1", "2027-01")
    early_decision = market(*decide, "--outcome", "written_off", "--reason", "无", "--as", "maker")
    assert (early_decision.status, "2028" in early_decision.err) == (1, True)
    answer = ("fund", "answer-write-off", "none", "--agree", "--as", "vendor")
    assert market(*answer).status == 1
