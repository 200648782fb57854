"""`market bench search`: searches of the catalogue over HTTP against `/readyz`, in turn.

A fixed mix: rare and common words, parts of words, pinyin, facets, sorts, and one word that stands
in every second title. The catalogue is imported as a file, and imported once more, in which every
row is a duplicate. Admission is left out: versions are listed by one statement.
"""

import http.client
import statistics
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import text

from catalog.listings import heal_listings
from kernel.clock import SystemClock
from kernel.db import open_engine
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from market.bench.delivering import ACTOR, scratch_settings, web_process
from market.bench.scratch import past_the_reviewers, scratch_database
from market.bench.titles import COMMON, VENDORS, write_rows
from market.imports.maps import NO_MAP
from market.imports.master import import_master
from market.imports.registry import MASTER_KINDS
from market.imports.tally import Rejects, Tally
from market.migrate import upgrade

API: Final = "/api/v1/resources"
MIX: Final = (
    *("q=勾股定理", "q=欧姆定律&subject=物理", "q=数乘", "q=xscf", "q=xiaoshuchengfa", "q=防溺水"),
    *("q=三年级 语文 荷花", "q=人工智能初步&sort=newest", "q=作文", "q=B-004711", "sort=newest"),
    *("subject=数学&grade=五年级", "sort=price&type=课件", f"q={COMMON}", f"q={COMMON} 数学"),
    *("q=量子力学", "q=课件", "", f"q={COMMON}&sort=renewed"),
)
"""What is searched for; the last parts of words and the very common word among them."""
PAGES: Final = ("q=勾股定理", "q=xscf", f"q={COMMON}", "subject=数学&grade=五年级", "")
LIMIT: Final = 30

VENDOR_ROWS: Final = text(
    """
INSERT INTO organisation (id, kind, code, name, region_code, facts, is_sample)
SELECT gen_random_uuid(), 'vendor', 'V' || n, '示例科技' || n, '100000',
    '{"vendor_kind": "firm"}', true
FROM generate_series(1, :vendors) n
"""
)
REGION: Final = text(
    "INSERT INTO region (code, name, level, is_sample) VALUES ('100000', 'bench', 'nation', true) "
    "ON CONFLICT DO NOTHING"
)
PRICE: Final = text(
    """
INSERT INTO offer (id, resource_id, valid_from, plan, recorded_at)
SELECT gen_random_uuid(), id, date '2026-01-01',
    jsonb_build_object(
        'plan', 'per_use', 'unit_price', '0.' || lpad((hashtext(sku) & 4095)::text, 4, '0')
    ), now()
FROM resource
"""
)


def bench_search(
    settings: Settings, url: str, *, resources: int, rounds: int = 3, say: Callable[[str], None]
) -> dict[str, Any]:
    """Import a catalogue, list it, and search it over HTTP; return medians in milliseconds.

    `ratio`: the median over the mix (of each search its median) to that of `/readyz`, asked before
    each search on the same connection. `common_ratio`: the very common word alone. `facets_ratio`
    and `page_ratio`: the same with all facets counted, and as a person's page.
    """
    with (
        TemporaryDirectory(prefix="xuanyong-bench-") as folder,
        scratch_database(url, "market_bench") as bench_url,
    ):
        upgrade(settings, bench_url)
        ours = scratch_settings(settings, Path(folder), bench_url)
        imported = _fill(ours, Path(folder), resources, say=say)
        with web_process(ours) as port:
            times = _ask(port, rounds, say=say)
    ready = statistics.median(times["/readyz"])
    by_query = {query or "(everything)": statistics.median(times[_address(query)]) for query in MIX}
    faceted = [statistics.median(times[_address(query, facets=True)]) for query in PAGES]
    pages = [statistics.median(times[_page(query)]) for query in PAGES]
    found = statistics.median(by_query.values())
    return {
        "resources": resources,
        "rounds": rounds,
        **imported,
        "ready_ms": round(ready * 1e3, 3),
        "search_ms": round(found * 1e3, 3),
        "ratio": round(found / ready, 3),
        "common_ratio": round(by_query[f"q={COMMON}"] / ready, 3),
        "slowest_ratio": round(max(by_query.values()) / ready, 3),
        "facets_ratio": round(statistics.median(faceted) / ready, 3),
        "page_ratio": round(statistics.median(pages) / ready, 3),
        "by_query_ms": {query: round(taken * 1e3, 2) for query, taken in by_query.items()},
        "facets_ms": {
            q or "(everything)": round(t * 1e3, 2) for q, t in zip(PAGES, faceted, strict=True)
        },
    }


def _fill(
    settings: Settings, folder: Path, resources: int, *, say: Callable[[str], None]
) -> dict[str, Any]:
    engine = open_engine(settings.database_url, pool_size=4)
    units = Units(engine, SystemClock(), settings, RecordingDispatcher())
    with units(ACTOR) as unit:
        unit.session.execute(REGION)
        unit.session.execute(VENDOR_ROWS, {"vendors": VENDORS})
    codes = [f"V{number}" for number in range(1, VENDORS + 1)]
    path = write_rows(folder / "catalogue.csv", resources, codes)
    say(f"importing {resources:,} resources …")
    import_s, first = _import(units, path)
    assert first.accepted == resources, first
    say(f"imported in {import_s:.1f} s; once more …")
    again_s, again = _import(units, path)
    assert again.duplicates == resources, again
    with units(ACTOR) as unit:
        with past_the_reviewers(unit):
            unit.session.execute(text("UPDATE version SET state = 'listed'"))
        unit.session.execute(PRICE)
    started = perf_counter()
    with units(ACTOR) as unit:
        heal_listings(unit, at_most=resources)
    list_s = perf_counter() - started
    say(f"listed in {list_s:.1f} s")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE)")
    engine.dispose()
    return {
        "import_s": round(import_s, 2),
        "again_s": round(again_s, 2),
        "list_s": round(list_s, 2),
    }


def _import(units: Units, path: Path) -> tuple[float, Tally]:
    started = perf_counter()
    with Rejects(None) as rejects:
        tally = import_master(
            units,
            ACTOR,
            MASTER_KINDS["catalogue"],
            path=path,
            field_map=NO_MAP,
            rejects=rejects,
        )
    return perf_counter() - started, tally


def _ask(port: int, rounds: int, *, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Ask everything `rounds` times after a round to warm up, `/readyz` before each."""
    addresses = [_address(query) for query in MIX]
    addresses += [_address(query, facets=True) for query in PAGES]
    addresses += [_page(query) for query in PAGES]
    times: dict[str, list[float]] = {address: [] for address in ("/readyz", *addresses)}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number in range(rounds + 1):
        for address in addresses:
            for one in ("/readyz", address):
                taken = _get(connection, one)
                if number:
                    times[one].append(taken)
        if number:
            say(f"round {number}: /readyz {statistics.median(times['/readyz']) * 1e3:.2f} ms")
    connection.close()
    return times


def _get(connection: http.client.HTTPConnection, address: str) -> float:
    started = perf_counter()
    connection.request("GET", address)
    response = connection.getresponse()
    answer = response.read()
    taken = perf_counter() - started
    assert response.status == 200, answer[:500]
    return taken


def _address(query: str, *, facets: bool = False) -> str:
    asked = quote(query, safe="=&")
    return f"{API}?{asked}&limit={LIMIT}" + ("&facets=true" if facets else "")


def _page(query: str) -> str:
    return "/catalog?" + quote(query, safe="=&")
