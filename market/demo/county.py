"""The sample county's regions, bureaus, schools and vendors: who there is.

Every place and name is invented. The codes lie in 99xxxx, which GB/T 2260 leaves unassigned, so no
real county can be meant. Rows have the headers of the imports; who works and learns there is
decided by `people`, what is sold by `resources`.
"""

from dataclasses import dataclass
from random import Random

from stdnum.cn import uscc

Row = dict[str, str]
"""One row of an import: header → text, as a file would hold it."""

SEED = "qinghe-2026"

PROVINCE = "990000"
CITY = "990100"
COUNTY = "990121"
YEAR = 2026

REGIONS: tuple[tuple[str, str, str, str], ...] = (
    (PROVINCE, "清江省（示例）", "province", "100000"),
    (CITY, "云澜市（示例）", "city", PROVINCE),
    (COUNTY, "青禾县（示例）", "county", CITY),
)

BUREAUS: tuple[tuple[str, str], ...] = (
    (CITY, "云澜市教育局（示例）"),
    (COUNTY, "青禾县教育局（示例）"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class School:
    """A school or teaching point; `pupils` by stage, `slug` begins its people's logins."""

    code: str
    slug: str
    name: str
    pupils: dict[str, int]
    setting: str = "rural"
    small_rural: bool = False
    parent: str = ""
    boarding: int = 0
    special: int = 0
    uncounted: int = 0  # on the roster, but not in the census: joined after it

    @property
    def payer(self) -> str:
        return self.parent or self.code


SCHOOLS: tuple[School, ...] = (
    School(
        code="2199000101",
        slug="shiyan",
        name="青禾县实验小学",
        pupils={"primary": 360},
        setting="county_town",
        special=3,
    ),
    School(
        code="2199000102",
        slug="binhe",
        name="青禾县滨河小学",
        pupils={"primary": 250},
        setting="county_town",
        special=1,
    ),
    School(
        code="2199000103",
        slug="linxi",
        name="临溪镇中心小学",
        pupils={"primary": 170},
        boarding=52,
    ),
    School(
        code="2199000113",
        slug="zhuping",
        name="临溪镇中心小学竹坪教学点",
        pupils={"primary": 22},
        small_rural=True,
        parent="2199000103",
    ),
    School(
        code="2199000114",
        slug="shiqiao",
        name="临溪镇中心小学石桥教学点",
        pupils={"primary": 14},
        small_rural=True,
        parent="2199000103",
        uncounted=2,
    ),
    School(
        code="2199000104",
        slug="yunling",
        name="云岭乡中心小学",
        pupils={"primary": 68},
        small_rural=True,
        boarding=21,
    ),
    School(code="2199000105", slug="baishi", name="白石镇中心小学", pupils={"primary": 140}),
    School(
        code="2199000106",
        slug="liutang",
        name="柳塘镇中心小学",
        pupils={"primary": 120},
        special=1,
    ),
    School(
        code="3199000201",
        slug="yizhong",
        name="青禾县第一初级中学",
        pupils={"junior": 320},
        setting="county_town",
    ),
    School(
        code="3199000202",
        slug="erzhong",
        name="青禾县第二初级中学",
        pupils={"junior": 190},
        setting="county_town",
    ),
    School(
        code="3199000203",
        slug="hewan",
        name="河湾镇初级中学",
        pupils={"junior": 170},
        boarding=118,
    ),
    School(
        code="3199000301",
        slug="songlin",
        name="松林镇九年一贯制学校",
        pupils={"primary": 110, "junior": 80},
        boarding=64,
    ),
    School(
        code="3199000302",
        slug="minzu",
        name="青禾县民族寄宿制学校",
        pupils={"primary": 90, "junior": 70},
        setting="county_town",
        boarding=137,
    ),
    School(
        code="3199000401",
        slug="gaozhong",
        name="青禾县高级中学",
        pupils={"senior": 260},
        setting="county_town",
        boarding=149,
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vendor:
    """A firm or a selling teacher; `slug` names it in the list of resources and in logins."""

    slug: str
    name: str
    region: str
    code: str
    school: str = ""


def _firm(slug: str, name: str, *, region: str, serial: str) -> Vendor:
    body = f"91{region}{serial}"
    return Vendor(slug=slug, name=name, region=region, code=body + uscc.calc_check_digit(body))


def _teacher(slug: str, name: str, *, school: str, number: int) -> Vendor:
    return Vendor(
        slug=slug,
        name=f"{name}（教师）",
        region=COUNTY,
        school=school,
        code=f"T-{COUNTY}{number:04d}",
    )


VENDORS: tuple[Vendor, ...] = (
    _firm("zhisui", "清江省知穗教育科技有限公司", region=PROVINCE, serial="MA9X1QH01"),
    _firm("qingyan", "清江省青砚数字出版有限公司", region=PROVINCE, serial="MA9X1QH02"),
    _firm("yunjian", "云澜市云笺信息技术有限公司", region=CITY, serial="MA9X1QH03"),
    _firm("yanhui", "清江省雁回多语文化有限公司", region=PROVINCE, serial="MA9X1QH04"),
    _firm("shijie", "云澜市拾阶智学科技有限公司", region=CITY, serial="MA9X1QH05"),
    _firm("chengwu", "清江省澄物实验教学有限公司", region=PROVINCE, serial="MA9X1QH06"),
    _firm("muxi", "云澜市木犀音画制作有限公司", region=CITY, serial="MA9X1QH07"),
    _firm("hesheng", "青禾县禾声语言科技有限公司", region=COUNTY, serial="MA9X1QH08"),
    _teacher("hanzhiyuan", "韩知远", school="2199000101", number=1),
    _teacher("zhouyingxue", "周映雪", school="3199000201", number=2),
    _teacher("cirenyangzong", "次仁央宗", school="3199000302", number=3),
)

VENDOR_BY_SLUG = {vendor.slug: vendor for vendor in VENDORS}


def chance(purpose: str) -> Random:
    """Return the random numbers of one purpose, the same in every run on every machine."""
    return Random(f"{SEED}/{purpose}")  # noqa: S311 (sample data, nothing secret)


def region_rows() -> list[Row]:
    return [
        {"code": code, "name": name, "level": level, "parent_code": parent}
        for code, name, level, parent in REGIONS
    ]


def bureau_rows() -> list[Row]:
    return [{"region_code": code, "name": name} for code, name in BUREAUS]


def school_rows() -> list[Row]:
    """Return the schools, each before its teaching points."""
    ordered = sorted(SCHOOLS, key=lambda school: (school.parent != "", school.code))
    return [
        {
            "code": school.code,
            "name": school.name,
            "region_code": COUNTY,
            "parent_code": school.parent,
            "stages": ";".join(school.pupils),
            "setting": school.setting,
            "small_rural": "yes" if school.small_rural else "no",
        }
        for school in ordered
    ]


def vendor_rows() -> list[Row]:
    return [
        {
            "code": vendor.code,
            "name": vendor.name,
            "vendor_kind": "teacher" if vendor.school else "firm",
            "region_code": vendor.region,
            "school_code": vendor.school,
        }
        for vendor in VENDORS
    ]
