"""Maps: what they may say, and what they make of a foreign row."""

import hashlib

import msgspec
import pytest

from kernel.errors import InvalidMap, MissingColumns
from market.imports.files import examine
from market.imports.maps import FieldMap, read_map
from market.imports.reading import open_table
from market.imports.translation import CellError, prepare, row_identity

FIELDS = ["person_no", "name", "organisation_code", "left_on", "grade"]


def _map(tmp_path, text: str, *, kind: str = "roster", fields=FIELDS) -> FieldMap:
    path = tmp_path / "map.toml"
    path.write_text(text, encoding="utf-8")
    return read_map(path, kind=kind, fields=fields)


def _translated(tmp_path, csv: str, field_map: FieldMap, *, required=("person_no",), fields=FIELDS):
    path = tmp_path / "rows.csv"
    path.write_text(csv, encoding="utf-8")
    rows, wrong = [], []
    with open_table(examine(path, kind="roster"), kind="roster") as table:
        ready = prepare(table, field_map, file=path.name, fields=fields, required=required)
        for record in ready.records(table.records):
            try:
                rows.append(ready.translate(record.values))
            except CellError as error:
                wrong.append((record.row, error.field, error.error.code))
    return ready, rows, wrong


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[colums]\nname = "x"', "colums"),
        ('[columns]\nlogin_name = "x"', "login_name"),
        ('[columns]\nname = "x"\n[constants]\nname = "y"', "given twice"),
        ('[constants]\nname = "x"\n[values.name]\na = "b"', "of no use"),
        ('[templates]\nname = "{x!r}"', "between the braces"),
        ('[templates]\nname = "{x"', "templates.name"),
        ('[days]\nleft_on = { column = "d", origin = "then" }', "origin"),
        ('[days]\nleft_on = { column = "d", origin = 2013-10-01, zone = "UTC" }', "zone"),
        ('[usage]\nsource = "x"', "no meaning for roster"),
        ('[group]\nby = []\ncount = "grade"', "names no column"),
        ("columns = ", "Invalid value"),
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("a = " + "9" * 5_000, "digits"),
        ('[constants]\nname = "x\\u0000y"', "NUL"),
        ('[columns]\nname = "x"\n[values.name]\n"a\\u0000" = "b"', "NUL"),
    ],
)
def test_what_a_map_says_wrongly_is_named(tmp_path, text, named):
    with pytest.raises(InvalidMap) as caught:
        _map(tmp_path, text)
    assert named in str(caught.value)


def test_an_unknown_identity_is_refused(tmp_path):
    with pytest.raises(InvalidMap, match="identity"):
        _map(tmp_path, '[usage]\nidentity = "row-number"', kind="usage")


def test_columns_constants_values_templates_and_days_make_our_fields(tmp_path):
    field_map = _map(
        tmp_path,
        """
        [columns]
        person_no = "id"
        organisation_code = "region"
        [constants]
        grade = 5
        [values.organisation_code]
        Scotland = "9900000001"
        [templates]
        name = "{{{id}}} of {region}"
        [days]
        left_on = { column = "gone", origin = 2013-10-01 }
        """,
    )
    _, rows, wrong = _translated(
        tmp_path,
        "id,region,gone,name\n7,Scotland,-2,theirs\n8,Wales,,x\n9,Scotland,soon,x\n10, ,,x\n",
        field_map,
    )
    assert rows[0] == {
        "person_no": "7",
        "name": "{7} of Scotland",
        "organisation_code": "9900000001",
        "left_on": "2013-09-29",
        "grade": "5",
    }
    assert rows[1]["organisation_code"] == "" and rows[1]["left_on"] == ""
    assert wrong == [
        (3, "organisation_code", "unmapped-value"),
        (4, "left_on", "invalid-input"),
    ]


def test_rows_outside_the_map_are_counted_apart(tmp_path):
    field_map = _map(
        tmp_path, '[where]\nmodule = ["AAA", "BBB"]\nyear = 2013\n[columns]\nperson_no = "id"'
    )
    ready, rows, _ = _translated(
        tmp_path, "module,year,id\nAAA,2013,1\nAAA,2014,2\nBBB,2013,3\nCCC,2013,4\n", field_map
    )
    assert [row["person_no"] for row in rows] == ["1", "3"]
    assert ready.outside == 2


def test_a_group_is_one_row_per_value_and_counts_its_rows(tmp_path):
    field_map = _map(
        tmp_path, '[group]\nby = ["region"]\ncount = "grade"\n[columns]\nname = "region"'
    )
    ready, rows, _ = _translated(
        tmp_path, "id,region\n1,N\n2,S\n3,N\n", field_map, required=("name", "grade")
    )
    assert rows == [{"name": "N", "grade": "2"}, {"name": "S", "grade": "1"}]
    assert ready.grouped == 3


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ('[columns]\nname = "nom"', "nom, person_no"),
        ('[where]\nmodule = "A"\n[columns]\nperson_no = "id"', "module"),
        ('[group]\nby = ["id"]\ncount = "grade"\n[columns]\nname = "x"\nperson_no = "id"', "x"),
        ('[templates]\nname = "{y}"\n[columns]\nperson_no = "id"', "y"),
    ],
)
def test_columns_that_the_file_lacks_are_named_with_those_it_has(tmp_path, text, missing):
    with pytest.raises(MissingColumns) as caught:
        _translated(
            tmp_path, "id,x\n1,2\n" if "x" not in missing else "id\n1\n", _map(tmp_path, text)
        )
    assert set(caught.value.facts["columns"].split(", ")) == set(missing.split(", "))
    assert caught.value.facts["found"].startswith("id")


def test_a_rows_identity_is_its_columns_whatever_their_order():
    key = b"key"
    assert row_identity({"a": "1", "b": "2"}, key) == row_identity({"b": "2", "a": "1"}, key)
    assert row_identity({"a": "1", "b": "2"}, key) != row_identity({"a": "2", "b": "1"}, key)
    assert row_identity({"a": "1,2", "b": ""}, key) != row_identity({"a": "1", "b": "2,"}, key)


def test_a_rows_identity_tells_nothing_without_the_installations_key():
    values = {"id_student": "330102201501011234", "date": "3"}
    assert row_identity(values, b"one") != row_identity(values, b"another")
    plain = hashlib.sha256(msgspec.json.encode(sorted(values.items()))).hexdigest()
    assert row_identity(values, b"one") != plain
