#!/usr/bin/env bash
# Runs a part of the Open University Learning Analytics Dataset (OULAD, CC BY 4.0) through the
# product, from an empty installation to the statements of two months. See real-data.md.
#
# Usage: docs/guides/real-data.sh DATA_DIR
#
# JSON goes to stdout, all else to stderr. With REAL_DATA_STATEMENTS=FOLDER the canonical export of
# both periods is written there, too.
#
# The learners, sites, clicks and unregistrations are real. INVENTED are: the regions, the bureau,
# the codes of the schools, all staff, the vendor and its code, prices, quota, share, ceilings.
# What is invented for people to read is named 示例.
set -euo pipefail

if [ $# -ne 1 ] || [ ! -f "$1/studentVle.csv" ]; then
    echo "usage: $0 DATA_DIR (a folder with studentVle.csv, studentInfo.csv, …)" >&2
    exit 2
fi
DATA="$(cd "$1" && pwd)"
GUIDE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
MAPS="$GUIDE/real-data"
if ! command -v market >/dev/null; then
    PATH="$(cd "$GUIDE/../../.venv/bin" && pwd):$PATH"
fi

# What is invented here must never land among somebody's own data.
unset DATABASE_URL
WORK="$(mktemp -d)"
if [ -z "${MARKET_HOME:-}" ]; then
    export MARKET_HOME="$WORK/home"
    mkdir -p "$MARKET_HOME"
fi
finish() {
    market stop >/dev/null 2>&1 || true
    rm -rf "$WORK"
}
trap finish EXIT

say() { echo "== $*" >&2; }

VENDOR=91110000ABCD00000J
SOURCE=oulad-aaa-2013j

say "An empty installation"
market db upgrade >&2

say "Regions, bureau, schools, vendor (invented; the schools bear the names of OULAD's regions)"
cat >"$WORK/regions.csv" <<'CSV'
code,name,level,parent_code
990000,示例省,,
990100,示例市,,
990101,示例县,,
CSV
cat >"$WORK/bureaus.csv" <<'CSV'
region_code,name
990101,示例县教育局
CSV
cat >"$WORK/schools.csv" <<'CSV'
code,name,region_code,stages,setting
9901010001,East Anglian Region（示例学校）,990101,higher,urban
9901010002,East Midlands Region（示例学校）,990101,higher,urban
9901010003,Ireland（示例学校）,990101,higher,urban
9901010004,London Region（示例学校）,990101,higher,urban
9901010005,North Region（示例学校）,990101,higher,urban
9901010006,North Western Region（示例学校）,990101,higher,urban
9901010007,Scotland（示例学校）,990101,higher,urban
9901010008,South East Region（示例学校）,990101,higher,urban
9901010009,South Region（示例学校）,990101,higher,urban
9901010010,South West Region（示例学校）,990101,higher,urban
9901010011,Wales（示例学校）,990101,higher,urban
9901010012,West Midlands Region（示例学校）,990101,higher,urban
9901010013,Yorkshire Region（示例学校）,990101,higher,urban
CSV
cat >"$WORK/vendors.csv" <<CSV
code,name,vendor_kind,region_code
$VENDOR,示例资源公司,firm,990101
CSV
market import regions "$WORK/regions.csv" >&2
market import bureaus "$WORK/bureaus.csv" >&2
market import schools "$WORK/schools.csv" >&2
market import vendors "$WORK/vendors.csv" >&2

say "Staff (invented): two reviewers, bureau finance, and four people for each school"
{
    echo "person_no,name,organisation_kind,organisation_code,role,joined_on,login"
    echo "示例-B1,示例初审员,bureau,990101,admission,2013-01-01,reviewer-1"
    echo "示例-B2,示例复审员,bureau,990101,admission,2013-01-01,reviewer-2"
    echo "示例-B3,示例拨款员,bureau,990101,bureau_finance,2013-01-01,bureau-finance"
    echo "示例-B4,示例复核员,bureau,990101,bureau_finance,2013-01-01,bureau-finance-2"
    for number in $(seq -w 1 13); do
        school="99010100$number"
        for role in teacher academic school_finance principal; do
            echo "示例-$school-$role,示例 $role $number,school,$school,$role,2013-01-01,"
        done
    done
} >"$WORK/staff.csv"
market import roster "$WORK/staff.csv" >&2

say "Learners, their departures, and the census (studentInfo.csv, studentRegistration.csv)"
market import roster "$DATA/studentInfo.csv" --map "$MAPS/roster.toml" >&2
market import roster "$DATA/studentRegistration.csv" --map "$MAPS/departures.toml" >&2
market import enrolment "$DATA/studentInfo.csv" --map "$MAPS/enrolment.toml" >&2

say "Quota and share (invented), and the lines of 2013"
cat >"$WORK/quotas.csv" <<'CSV'
region_code,stage,kind,valid_from,amount_yuan,source,verified
990101,higher,base,2013-01-01,1000.00,示例：虚构的定额,yes
CSV
market import quotas "$WORK/quotas.csv" >&2
market fund rule --region 990101 --from 2013-01-01 --share 0.30 --floor 0 \
    --short-stage higher --origin "示例：虚构的比例" >&2
cat >"$WORK/budgets.csv" <<'CSV'
region_code,fiscal_year,source,amount_yuan,document,approved_on
990101,2013,per_student,10000000.00,示例：虚构的预算,2013-01-15
CSV
market import budgets "$WORK/budgets.csv" >&2
market fund check-budget --all --as bureau-finance-2 >&2
market fund issue --year 2013 --make-as bureau-finance --check-as bureau-finance-2 >&2

say "Sites as resources (vle.csv), priced, proposed by one reviewer and listed by another"
market import catalogue "$DATA/vle.csv" --map "$MAPS/catalogue.toml" >&2
market import offers "$DATA/vle.csv" --map "$MAPS/offers.toml" >&2
market admit --vendor "$VENDOR" --propose-as reviewer-1 --decide-as reviewer-2 \
    --note "公开数据集，八项标准逐项核对" >&2

say "Selections (invented): each school selects each site that is used, up to 20 yuan"
# 20 yuan are 1,000 uses: the busiest sites reach it, which shows what happens above a ceiling.
awk -F, -v vendor="$VENDOR" '
    BEGIN { print "reference,school_code,vendor_code,sku,starts_on,ends_on,ceiling_yuan,reason,requested_by" }
    NR > 1 && !seen[$4]++ {
        for (n = 1; n <= 13; n++) {
            school = sprintf("99010100%02d", n)
            printf "AAA-%s,%s,%s,%s,2013-09-01,2013-12-31,20.00,示例,示例-%s-teacher\n",
                $4, school, vendor, $4, school
        }
    }
' "$DATA/studentVle.csv" >"$WORK/selections.csv"
market import selections "$WORK/selections.csv" >&2
market approve --everyone >&2

say "The log as an attested source, and its rows (studentVle.csv)"
market source admit "$SOURCE" --name "OULAD AAA 2013J（示例来源）" --trust attested \
    --as reviewer-1 >&2
market import usage "$DATA/studentVle.csv" --map "$MAPS/usage.toml" --json >"$WORK/usage.json"

for period in 2013-09 2013-10; do
    say "$period: stated, confirmed by each school, posted"
    market settle "$period" --json >/dev/null
    market confirm "$period" >&2
    market settle "$period" --json >"$WORK/$period.json"
done

say "Verification"
market verify >&2

if [ -n "${REAL_DATA_STATEMENTS:-}" ]; then
    mkdir -p "$REAL_DATA_STATEMENTS"
    for period in 2013-09 2013-10; do
        market export statements "$period" -o "$REAL_DATA_STATEMENTS/$period.jsonl"
    done
    cp "$WORK/usage.json" "$REAL_DATA_STATEMENTS/usage.json"
fi

say "Usage as it came in, and the summary of each period"
cat "$WORK/usage.json" "$WORK/2013-09.json" "$WORK/2013-10.json"
