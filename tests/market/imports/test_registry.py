"""Each kind's example row can be read by the kind: the template is never out of date."""

import pytest

from market.imports.kinds import field_names
from market.imports.registry import MASTER_KINDS
from market.imports.translation import CellError
from market.imports.usage_rows import USAGE_COLUMNS

HEADERS = {
    "regions": "code,name,level,parent_code",
    "bureaus": "region_code,name",
    "schools": "code,name,region_code,parent_code,stages,setting,small_rural",
    "vendors": "code,name,vendor_kind,region_code,school_code",
    "roster": "person_no,name,organisation_kind,organisation_code,role,stage,grade,class_name,"
    "joined_on,left_on,login",
    "enrolment": "school_code,stage,kind,as_of,basis,pupils",
    "quotas": "region_code,stage,kind,valid_from,amount_yuan,source,verified",
    "budgets": "region_code,fiscal_year,source,amount_yuan,document,approved_on",
    "approval-rules": "region_code,valid_from,position,role,from_amount_yuan,kind,tier,source,"
    "may_repeat,due_workdays,reason",
    "allocations": "payer_code,fiscal_year,source,document,amount_yuan,fund_yuan,subjects,tiers,"
    "stages,schools",
    "catalogue": "vendor_code,sku,title,kind,tier,stage,subject,grade,type,language,licence,"
    "author,keywords,conditions,address,launch_url,ownership,school_share,"
    "edition,chapter,bandwidth_mbps,devices,offline,parts,"
    "check_political,check_guidance,check_scientific,check_safety,check_suitability,"
    "check_normative,check_timeliness,check_public_benefit,commitment,filing_number,suits_stages,"
    "suits_conditions",
    "offers": "vendor_code,sku,valid_from,plan,unit_price_yuan,tiers,free_allowance,"
    "period_cap_yuan,learner_cap",
    "selections": "reference,school_code,vendor_code,sku,starts_on,ends_on,ceiling_yuan,reason,"
    "requested_by,next_year_ceiling_yuan,trial",
    "bulk": "reference,vendor_code,sku,starts_on,ends_on,ceiling_yuan,reason,school_code,"
    "school_ceiling_yuan,next_year_ceiling_yuan",
    "treasury-returns": "order_no,voucher_no,result,amount_yuan,reason",
    "bank-accounts": "kind,code,holder,bank,number,branch_code,because",
    "fapiao": "number,vendor_code,statement,amount_yuan,issued_on,corrects,credit_note",
    "evaluators": "code,name,region_code",
    "findings": "kind,key,finding,source,found_on",
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_example_of_a_kind_is_a_row_of_it(name):
    kind = MASTER_KINDS[name]
    assert field_names(kind.columns) == HEADERS[name].split(",")
    assert kind.row({column.name: column.example for column in kind.columns})


def test_every_kind_is_known_here():
    assert list(MASTER_KINDS) == list(HEADERS)
    usage = "event_id,time,school_code,learner,vendor_code,sku,session,quantity"
    assert field_names(USAGE_COLUMNS) == usage.split(",")


@pytest.mark.parametrize(
    ("kind", "field", "cell", "code"),
    [
        ("offers", "unit_price_yuan", "-0.02", "invalid-amount"),
        ("offers", "unit_price_yuan", "0.02001", "invalid-amount"),
        ("offers", "valid_from", "2026-02-30", "invalid-date"),
        ("offers", "plan", "per_month", "invalid-input"),
        ("offers", "tiers", "1000=0.02", "invalid-input"),
        ("offers", "tiers", "0.02", "invalid-input"),
        ("offers", "free_allowance", "-1", "invalid-input"),
        ("offers", "period_cap_yuan", "1.00001", "invalid-amount"),
        ("selections", "ceiling_yuan", "500.005", "invalid-amount"),
        ("selections", "ceiling_yuan", "NaN", "invalid-amount"),
        ("selections", "reference", "x" * 101, "invalid-input"),
        ("selections", "reason", " ", "missing-value"),
        ("enrolment", "pupils", "-1", "invalid-input"),
        ("enrolment", "pupils", "１２", "invalid-input"),
        ("schools", "stages", "primary;nursery", "invalid-input"),
        ("roster", "role", "system", "invalid-input"),
        ("quotas", "verified", "perhaps", "invalid-input"),
    ],
)
def test_a_cell_that_is_wrong_is_named_with_its_reason(kind, field, cell, code):
    texts = {column.name: column.example for column in MASTER_KINDS[kind].columns}
    with pytest.raises(CellError) as caught:
        MASTER_KINDS[kind].row(texts | {field: cell})
    assert (caught.value.field, caught.value.error.code) == (field, code)
    assert "<" not in str(caught.value.error), "each sentence finds its facts"


def test_chinese_words_are_read_as_well():
    kind = MASTER_KINDS["schools"]
    texts = {column.name: column.example for column in kind.columns}
    row = kind.row(texts | {"stages": "小学；初中", "setting": "乡村", "small_rural": "是"})
    assert (row.stages, row.setting, row.small_rural) == (("primary", "junior"), "rural", True)
