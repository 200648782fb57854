"""A county run by commands alone, from its regions to the statements of a month."""

import csv
import io

import pytest

HEADERS = {
    "regions": "code,name",
    "bureaus": "region_code,name",
    "schools": "code,name,region_code,stages",
    "vendors": "code,name,vendor_kind,region_code",
    "roster": "person_no,name,organisation_kind,organisation_code,role,stage,joined_on,login",
    "enrolment": "school_code,stage,kind,as_of,basis,pupils",
    "quotas": "region_code,stage,kind,valid_from,amount_yuan,source,verified",
    "budgets": "region_code,fiscal_year,source,amount_yuan,document,approved_on",
    "catalogue": "vendor_code,sku,title,kind,tier,stage",
    "offers": "vendor_code,sku,valid_from,plan,unit_price_yuan",
    "selections": "reference,school_code,vendor_code,sku,starts_on,ends_on,ceiling_yuan,reason,"
    "requested_by",
    "usage": "event_id,time,learner,vendor_code,sku",
}
VENDOR = "91110000ABCD00000J"
SCHOOL = "9901210001"
ROWS = {
    "regions": ["990000,清江省", "990100,云澜市", "990121,青禾县"],
    "bureaus": ["990121,青禾县教育局"],
    "schools": [f"{SCHOOL},一小,990121,primary"],
    "vendors": [f"{VENDOR},公司,firm,990121"],
    "roster": [
        "B1,甲,bureau,990121,admission,,2025-01-01,first",
        "B2,乙,bureau,990121,admission,,2025-01-01,second",
        "B3,丙,bureau,990121,bureau_finance,,2025-01-01,money",
        "B4,辛,bureau,990121,bureau_finance,,2025-01-01,checker",
        f"T1,丁,school,{SCHOOL},teacher,,2025-01-01,teacher",
        f"T2,戊,school,{SCHOOL},academic,,2025-01-01,academic",
        f"T3,己,school,{SCHOOL},school_finance;principal,,2025-01-01,finance",
        f"L1,庚,school,{SCHOOL},learner,primary,2025-01-01,",
    ],
    "enrolment": [f"{SCHOOL},primary,enrolled,2025-03-01,spring,200"],
    "quotas": ["990121,primary,base,2025-01-01,1000,虚构,yes"],
    "budgets": ["990121,2025,per_student,20000.00,虚构财预〔2025〕1号,2025-01-20"],
    "catalogue": [f"{VENDOR},A,练习,personalised,basic,primary"],
    "offers": [f"{VENDOR},A,2025-01-01,per_use,0.0200"],
    "selections": [f"S-1,{SCHOOL},{VENDOR},A,2025-03-01,2025-06-30,10.00,巩固,T1"],
    "usage": [f"e{n},2025-03-{n:02d}T08:00:00,L1,{VENDOR},A" for n in range(1, 11)],
}

CHECK_BUDGETS = ("fund", "check-budget", "--all", "--as", "checker")
ISSUE = ("fund", "issue", "--year", 2025, "--make-as", "money", "--check-as", "checker")


@pytest.fixture
def take_in(market, tmp_path):
    """Return `market import KIND`, of rows given as texts."""

    def call(kind, rows=None, *options):
        path = tmp_path / f"{kind}.csv"
        lines = [HEADERS[kind], *(ROWS[kind] if rows is None else rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return market("import", kind, path, "--json", *options)

    return call


@pytest.fixture
def county(market, take_in):
    """Run everything up to the approved selection."""
    assert market("db", "upgrade").status == 0
    for kind in list(HEADERS)[:10]:
        found = take_in(kind)
        assert found.status == 0, found.err
        assert found.json["accepted"] == found.json["received"] == len(ROWS[kind])
    assert market(*CHECK_BUDGETS).status == 0
    assert market(*ISSUE).status == 0
    assert (
        market("admit", "--propose-as", "first", "--decide-as", "second", "--note", "核对").status
        == 0
    )
    assert take_in("selections").status == 0
    return market


def test_a_month_goes_from_use_to_the_last_fen(county, market, take_in):
    approved = market("approve", "--everyone", "--json")
    assert approved.json == {"signed": 2, "agreements": 1, "left": [], "unheld": 0}
    source = ("source", "admit", "player", "--name", "播放器", "--trust", "player")
    assert market(*source, "--as", "no:B1").status == 0
    assert take_in("usage", None, "--source", "player").json["accepted"] == 10

    of_one = market("settle", "2025-03", "--payer", SCHOOL).out
    assert "received (all payers)" in of_one and "quarantined (all payers)" not in of_one
    assert "(all payers)" not in market("settle", "2025-03").out
    stated = market("settle", "2025-03", "--json")
    assert (stated.json["uses"], stated.json["billed_fen"], stated.json["drawn_fen"]) == (10, 20, 0)
    assert market("confirm", "2025-03", "--json").json == {
        "period": "2025-03",
        "payers": 1,
        "lines": 1,
    }
    posted = market("settle", "2025-03", "--json")
    assert posted.json["drawn_fen"] == 20 and posted.json["ledger_balanced"]
    before = market("export", "statements", "2025-03").out

    again = market("settle", "2025-03", "--json")
    assert again.json == posted.json, "a second settle changes nothing"
    assert market("export", "statements", "2025-03").out == before
    assert market("confirm", "2025-03", "--json").json["lines"] == 0
    assert market("verify", "--json").json == {"clean": True, "findings": []}


def test_a_period_that_is_not_over_can_not_be_settled(county):
    found = county("settle", "2099-12")
    assert found.status == 1 and "2100-01-01" in found.err
    assert county("settle", "December").status == 2
    assert county("settle", "2025-01").status == 1, "nobody has anything then"


def test_a_payer_that_is_none_is_not_found(county):
    for payer in ("000", VENDOR):
        for command in ("settle", "confirm"):
            found = county(command, "2025-03", "--payer", payer)
            assert found.status == 1 and f"There is no payer “{payer}”" in found.err


def test_only_a_finance_person_confirms(county):
    refused = county("confirm", "2025-03", "--as", "teacher")
    assert refused.status == 1 and "school_finance / bureau_finance" in refused.err


def test_a_funding_preview_issues_nothing_and_an_issue_is_safe_to_repeat(county):
    again = county(*ISSUE, "--json")
    assert (again.json["issued"], again.json["unchanged"]) == (0, 1)
    preview = county("fund", "issue", "--year", 2025, "--as", "money", "--preview", "--json")
    assert [one["amount_fen"] for one in preview.json] == [0]


def test_who_makes_and_checks_is_refused_before_anything_is_proposed(county):
    """R20: also where nothing is left to issue."""
    for year in (2025, 2026):
        same = county("fund", "issue", "--year", year, "--make-as", "money", "--check-as", "money")
        assert same.status == 1 and "money can't both make and check" in same.err
    assert (
        "waits to be checked" in county("fund", "issue", "--year", 2026, "--make-as", "money").out
    )


def test_an_act_of_a_person_needs_the_person(county):
    refused = county("fund", "issue", "--year", 2025, "--make-as", "teacher")
    assert refused.status == 1 and "bureau_finance" in refused.err
    unknown = county("approve", "--as", "nobody")
    assert unknown.status == 1 and "nobody" in unknown.err
    same = county("admit", "--propose-as", "first", "--decide-as", "first", "--note", "核对")
    assert same.status == 0, "nothing waits"


def test_rejected_rows_are_shown_and_nothing_of_the_file_is_kept(county, take_in, tmp_path):
    rows = [f"S-{n},{SCHOOL},{VENDOR},A,2025-03-01,2025-06-30,1.005,x,T1" for n in range(30)]
    rejects = tmp_path / "rejects.csv"
    found = take_in("selections", [*ROWS["selections"], *rows], "--rejects", rejects)
    assert (found.status, found.out) == (1, "")
    lines = found.err.splitlines()
    assert lines[0].startswith("row 3, ceiling_yuan: “1.005”")
    assert lines[20] == f"… and 10 more: see {rejects}"
    assert lines[21].startswith("market: 30 of 31 rows of selections.csv were rejected")
    assert len(rejects.read_text(encoding="utf-8-sig").splitlines()) == 31


def test_rejects_do_not_overwrite_what_is_imported(county, take_in, tmp_path):
    path = tmp_path / "selections.csv"
    found = take_in("selections", None, "--rejects", path)
    assert (found.status, found.out) == (1, "")
    assert "it is what is being imported" in found.err
    assert path.read_text(encoding="utf-8").endswith(ROWS["selections"][-1] + "\n")


def test_a_dry_run_says_so(county, take_in):
    found = take_in("selections", None, "--dry-run")
    assert found.json["dry_run"] is True and "nothing was kept" in found.err


def test_usage_needs_its_source(county, take_in):
    assert "--source" in take_in("usage").err


def test_a_login_is_made_with_a_password_that_is_shown_once(county, market):
    made = market("user", "create", "--login", "Ding", "--person-no", "T1", "--json")
    assert made.status == 0 and len(made.json["password"]) >= 12
    changed = market("user", "password", "ding")
    assert changed.status == 0 and "shown only now" in changed.out
    assert market("user", "create", "--login", "x", "--person-no", "T9").status == 1


def test_a_password_can_come_from_stdin_and_must_be_long_enough(county, market, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    found = market("user", "password", "teacher", "--password-stdin")
    assert found.status == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("a long enough one\n"))
    found = market("user", "password", "teacher", "--password-stdin", "--json")
    assert found.status == 0 and "password" not in found.json


@pytest.mark.parametrize("kind", list(HEADERS))
def test_a_template_has_the_columns_that_are_needed(market, kind):
    header, example = csv.reader(io.StringIO(market("import", kind, "--template").out))
    assert set(HEADERS[kind].split(",")) <= set(header)
    assert len(example) == len(header)


def test_budgets_and_listed_allocations_are_imported_tried_and_rejected_by_row(
    county, market, tmp_path
):
    """R18, R20: a dry run keeps nothing; a file with a wrong row is not taken at all."""
    header = "payer_code,fiscal_year,source,document,amount_yuan,fund_yuan,subjects\n"
    path = tmp_path / "allocations.csv"
    path.write_text(
        header
        + f"{SCHOOL},2025,专项,虚构教财〔2025〕8号,500.00,,数学\n"
        + f"{SCHOOL},2025,专项,虚构教财〔2025〕9号,-1.00,,\n"
        + "nobody,2025,surcharge,x,1.001,,\n",
        encoding="utf-8",
    )
    rejects = tmp_path / "rejects.csv"
    found = market("import", "allocations", path, "--as", "money", "--rejects", rejects)
    assert found.status == 1
    assert "row 3, amount_yuan: 1.00 yuan can't be taken back" in found.err
    assert "row 4, amount_yuan: “1.001” is not an amount" in found.err
    assert len(rejects.read_text(encoding="utf-8-sig").splitlines()) == 3

    path.write_text(
        header + f"{SCHOOL},2025,专项,虚构教财〔2025〕8号,500.00,,数学\n", encoding="utf-8"
    )
    for options, accepted, duplicates in ((("--dry-run",), 1, 0), ((), 1, 0), ((), 0, 1)):
        tried = market("import", "allocations", path, "--as", "money", "--json", *options)
        assert (tried.json["accepted"], tried.json["duplicates"]) == (accepted, duplicates)
    refused = market("fund", "check", "990121-2025-002", "--as", "checker")
    assert refused.status == 1 and "no budget of special_fund for 2025" in refused.err
    budgets = tmp_path / "budgets.csv"
    budgets.write_text(
        HEADERS["budgets"] + "\n990121,2025,special_fund,500.00,批复2,2025-02-01\n",
        encoding="utf-8",
    )
    imported = market("import", "budgets", budgets, "--as", "money")
    assert imported.status == 0 and "market fund check-budget" in imported.err
    alone = market("fund", "check-budget", "990121-B-002", "--as", "money")
    assert alone.status == 1 and "can't check it" in alone.err
    refused = market("fund", "check", "990121-2025-002", "--as", "checker")
    assert refused.status == 1 and "no budget of special_fund" in refused.err
    assert market(*CHECK_BUDGETS, "--json").json == {"checked": 1, "amount_fen": 50_000}
    assert market("fund", "check-budget", "--as", "checker").status == 2
    same = market("fund", "check", "990121-2025-002", "--as", "money")
    assert same.status == 1 and "can't check it" in same.err
    assert market("fund", "check", "990121-2025-002", "--as", "checker").status == 0
    exported = market("export", "lines", "--year", 2025, "--as", "money").out
    assert SCHOOL in exported and "500.00" in exported and "数学" in exported
    assert market("verify").status == 0


def test_a_table_of_signatures_is_proposed_previewed_and_checked_by_command(
    county, market, tmp_path
):
    """R22: by options or by a list; two people, a gap refused with what is missing."""
    region = ("--region", "990121", "--as", "money")
    of = ("approval-rules", "propose", *region, "--from", "2099-01-01")
    gap = market(*of, "--step", "principal:10.00", "--preview")
    assert gap.status == 1 and "below 10.00 yuan would need no signature" in gap.err
    wrong = market(*of, "--step", "nobody:0", "--preview")
    assert wrong.status == 1 and "--step" in wrong.err and "“nobody”" in wrong.err
    below = market(*of, "--step", "academic:-5", "--preview")
    assert below.status == 1 and "“-5”" in below.err and "yuan from 0.00 on" in below.err
    steps = ("--step", "school_finance:0", "--step", "bureau_finance:50.00:kind=personalised:again")
    seen = market(*of, *steps, "--preview", "--json").json
    assert (seen["proposal"], seen["preview"]["schools"]) == (None, 1)
    assert len(seen["preview"]["open"]) == 1
    unsaid = market(*of, *steps)
    assert unsaid.status == 1 and "reason" in unsaid.err
    made = market(*of, *steps, "--reason", "虚构教财〔2099〕1号")
    assert made.status == 0 and "990121-S-001 waits to be checked." in made.out
    assert "990121-S-001 waits" in market("approval-rules", "show", *region).out
    same = market("approval-rules", "check", "990121-S-001", "--as", "money")
    assert same.status == 1 and "can't check it" in same.err
    assert market("approval-rules", "check", "990121-S-001", "--as", "checker").status == 0
    shown = market("approval-rules", "show", *region).out
    assert "990121-S-001 虚构教财〔2099〕1号" in shown and "(in force)" in shown

    path = tmp_path / "rules.csv"
    header = "region_code,valid_from,position,role,from_amount_yuan,reason\n"
    path.write_text(header + "990121,2099-02-01,1,校长,5.00,x\n", encoding="utf-8")
    refused = market("import", "approval-rules", path, "--as", "money")
    assert refused.status == 1 and "row 2, from_amount_yuan" in refused.err
    path.write_text(header + "990121,2099-02-01,1,财务,0,x\n", encoding="utf-8")
    for options, accepted, duplicates in ((("--dry-run",), 1, 0), ((), 1, 0), ((), 0, 1)):
        tried = market("import", "approval-rules", path, "--as", "money", "--json", *options)
        assert (tried.json["accepted"], tried.json["duplicates"]) == (accepted, duplicates)


def test_a_years_lines_are_closed_by_command(county, market):
    """R19: previewed, done, repeated; by the rule that was recorded before."""
    rule = ("fund", "year-end-rule", "--region", "990121", "--source", "per_student")
    when = ("--from", "2025-01-01", "--origin", "虚构")
    wrong = market(*rule, *when, "--outcome", "lapse", "--until", "06-30", "--as", "money")
    assert wrong.status == 1 and "--until" in wrong.err
    kept = market(*rule, *when, "--outcome", "carry_over", "--until", "06-30", "--as", "money")
    assert kept.status == 0
    # Today is long after 31 March 2026, when the books of 2025 closed.
    close = ("fund", "close-year", "--year", 2025, "--as", "money", "--json")
    preview = market(*close, "--preview").json
    assert (preview["carried"], preview["lapsed"], preview["waiting"]) == (1, 0, 0)
    assert market(*close).json == preview
    assert market(*close).json["carried"] == 0
    early = market("fund", "close-year", "--year", 2199, "--as", "money")
    assert early.status == 1 and "2200-03-31" in early.err


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_what_the_funding_rests_on_goes_out_and_comes_in_again(county, market, tmp_path, form):
    """R15, R16, R18, R53: each export is the import's own form; every row is known then."""
    listed = tmp_path / "listed.csv"
    listed.write_text(
        "payer_code,fiscal_year,source,document,amount_yuan,subjects\n"
        f"{SCHOOL},2025,special_fund,虚构〔2025〕8号,1500.50,数学;科学\n",
        encoding="utf-8",
    )
    assert market("import", "allocations", listed, "--as", "money").status == 0
    for name, kind in (
        ("census", "enrolment"),
        ("quotas", "quotas"),
        ("allocations", "allocations"),
    ):
        out = tmp_path / f"{name}.{form}"
        assert market("export", name, "-o", out, "--as", "money").status == 0
        again = market("import", kind, out, "--json", "--as", "money")
        assert again.status == 0, again.err
        assert again.json["received"] == again.json["duplicates"] == 1
    text = market("export", "allocations", "--year", 2025, "--as", "money").out
    assert f"{SCHOOL},2025,special_fund,虚构〔2025〕8号,1500.50,,数学;科学,,," in text
    refused = market("export", "journal", "--from", "2025-05", "--to", "2025-04")
    assert refused.status == 2 and "exchange the two" in refused.err


def test_a_census_that_leaves_a_kind_out_is_told_what_stays(county, market, tmp_path):
    """R15: nothing is taken away by what a file does not speak of."""
    for name, row in (
        ("spring", f"{SCHOOL},,special,2025-03-01,spring,3"),
        ("autumn", f"{SCHOOL},primary,enrolled,2025-10-01,autumn,190"),
    ):
        path = tmp_path / f"{name}.csv"
        path.write_text(f"school_code,stage,kind,as_of,basis,pupils\n{row}\n", encoding="utf-8")
        found = market("import", "enrolment", path, "--json")
        assert found.status == 0, found.err
    (warning,) = found.json["warnings"]
    assert "special" in warning and "the 3 of 2025-03-01 stay" in warning


def test_a_file_of_usage_of_which_no_row_is_taken_fails(county, market, take_in):
    """R32: the rows are counted and kept; the exit status says that something has to be done."""
    source = ("source", "admit", "player", "--name", "播放器", "--trust", "player")
    assert market(*source, "--as", "no:B1").status == 0
    unknown = [f"e1,2025-03-01T08:00:00,L9,{VENDOR},A"]
    found = take_in("usage", unknown, "--source", "player")
    assert found.status == 1 and found.json["quarantined"] == {"unknown-learner": 1}
    assert "row 2, learner: Unknown learner. Import the learner" in found.err


def test_a_line_carried_over_says_with_which_books_it_ends(county, market):
    """R19: after its last day it still waits for the close of that year."""
    rule = ("fund", "year-end-rule", "--region", "990121", "--source", "per_student")
    carried = ("--from", "2025-01-01", "--outcome", "carry_over", "--until", "11-30")
    assert market(*rule, *carried, "--origin", "虚构", "--as", "money").status == 0
    close = ("fund", "close-year", "--year", 2025, "--as", "money", "--json")
    first = market(*close)
    assert first.json["carried"] == 1, first.err
    again = market(*close)
    assert (again.status, again.json["carried"], again.json["waiting"]) == (0, 0, 0)
    (line,) = again.json["carried_on"]
    assert (line["until"], line["available_fen"]) == ("2026-11-30", 1_000_000)
    assert "ends with the books of 2026, which are open until 2027-" in again.err
