"""`market device` and `market import package`: a box's way from its key to its uses (R31)."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.unit import Units
from market.cli.main import FAILED, MISUSED
from tests.market.cli.conftest import Market
from tests.support.builders import a_person
from tests.support.launch_builders import Classroom, a_classroom, events
from tests.support.package_builders import Box, a_packed_launch, a_packed_use, packed, pem
from tests.support.settlement_builders import SYSTEM, at


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(at(1, 9))


@pytest.fixture
def classroom(units: Units, clock: FixedClock) -> Classroom:
    found = a_classroom(units)
    with units(SYSTEM) as unit:
        a_person(unit, found.school, [Role.ACADEMIC], login="academic")
        a_person(unit, found.market.bureau, [Role.ADMISSION], login="reviewer")
    return found


def test_a_box_is_registered_confirmed_imported_and_revoked(
    market: Market, units: Units, classroom: Classroom, tmp_path: Path
) -> None:
    """R31: the whole way of a classroom without a network, at the command line."""
    key = Ed25519PrivateKey.generate()
    key_file, package = tmp_path / "box.pem", tmp_path / "box.jsonl"
    key_file.write_text(pem(key))
    register = ("device", "register", key_file, "--name", "三年级教室", "--json")
    code = market(*register, "--as", "academic").json["device"]
    launch = a_packed_launch(classroom.market)
    box = Box(code, key, classroom.teacher, classroom.teacher)
    package.write_bytes(packed(box, [launch], [a_packed_use(launch)]))

    early = market("import", "package", package)
    assert (early.status, early.out) == (FAILED, "")
    assert market("device", "confirm", code, "--as", "academic").status == FAILED
    assert market("device", "confirm", code, "--as", "reviewer").status == 0
    (shown,) = market("device", "list", "--json").json
    assert (shown["code"], shown["state"]) == (code, "confirmed")

    taken = market("import", "package", package, "--as", "academic", "--json").json
    assert (taken["received"], taken["accepted"]) == (1, 1)
    again = market("import", "package", package)
    assert "duplicates" in again.out
    assert len(events(units)) == 1

    assert market("device", "revoke", code, "--as", "academic").status == 0
    assert market("import", "package", package).status == FAILED


def test_a_package_takes_no_map_and_a_missing_file_is_said(
    market: Market, classroom: Classroom, tmp_path: Path
) -> None:
    assert market("import", "package").status == MISUSED
    assert market("import", "package", "x", "--dry-run").status == MISUSED
    missing = market("import", "package", tmp_path / "nowhere")
    assert (missing.status, missing.err.count("\n")) == (FAILED, 1)
    lost = market("device", "register", tmp_path / "nowhere", "--name", "x")
    assert (lost.status, lost.err.count("\n")) == (FAILED, 1)
