"""Acts of vendors and reviewers on versions, tried one by one, and what they led to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import select

from catalog.admission import decide_admission, propose_admission
from catalog.attachments.attaching import attach, detach, expect_file
from catalog.attachments.reading import files_of
from catalog.models import Version
from catalog.states import LIFE_CYCLE, AdmissionState, VersionState
from catalog.takedowns import Ground, restore, take_down
from kernel.errors import MarketError
from kernel.ids import VersionId
from kernel.settings import Settings
from kernel.unit import Unit, Units
from tests.support.admission_builders import Desk, a_desk
from tests.support.database import fresh_units
from tests.support.settlement_builders import SYSTEM

WORLD: dict[str, object] = {}
"""Where databases are made; the test says so."""


class Acts(RuleBasedStateMachine):
    """What the rules of a machine do; it knows the states of all versions after each act."""

    units: Units
    desk: Desk

    def __init__(self) -> None:
        super().__init__()
        self._scope = fresh_world()
        self.units = self._scope.__enter__()
        self.desk = a_desk(self.units)
        self.states: dict[VersionId, VersionState] = {}
        self.files: dict[VersionId, set[tuple[str, str]]] = {}
        self.contents = 0
        self.done: set[str] = set()

    def teardown(self) -> None:
        self._scope.__exit__(None, None, None)

    def _as(self, who: str, act: Callable[[Unit], object], *, told: str = "") -> None:
        """Let somebody try an act; who may not is told so, and nothing has happened then."""
        with suppress(MarketError):
            with self.units(getattr(self.desk, who)) as unit:
                act(unit)
            self.done.add(told)
            self.nothing_leaves_the_table()

    def known(self, *states: VersionState) -> list[VersionId]:
        return sorted(one for one, state in self.states.items() if state in states)

    def _one(self, number: int, *states: VersionState) -> VersionId:
        found = self.known(*(states or VersionState))
        return found[number % len(found)]

    def _attach(self, version_id: VersionId, who: str, digit: str = "1") -> None:
        def act(unit: Unit) -> None:
            facts = {"name": f"{digit}.pdf", "digest": digit * 64}
            expect_file(unit, version_id, size_bytes=1, media_type="application/pdf", **facts)
            attach(unit, version_id, purpose="content", **facts)

        self._as(who, act)

    def _detach(self, version_id: VersionId, who: str) -> None:
        def act(unit: Unit) -> None:
            for one in files_of(unit, [version_id]).get(version_id, []):
                detach(unit, version_id, one.id)

        self._as(who, act)

    def _propose(self, version_id: VersionId, who: str) -> None:
        self._as(who, lambda unit: propose_admission(unit, [version_id], note="核对"))

    def _decide(self, version_id: VersionId, who: str, verdict: AdmissionState) -> None:
        self._as(
            who,
            lambda unit: decide_admission(unit, [version_id], note="定", verdict=verdict),
            told="listed" if verdict is AdmissionState.ADMITTED else "",
        )

    def _take_down(self, version_id: VersionId, who: str) -> None:
        self._as(
            who,
            lambda unit: take_down(unit, version_id, ground=Ground.OTHER, reason="举报"),
            told="taken_down",
        )

    def _restore(self, version_id: VersionId, who: str) -> None:
        self._as(who, lambda unit: restore(unit, version_id, note="已核实"), told="restored")

    @invariant()
    def nothing_leaves_the_table(self) -> None:
        with self.units(SYSTEM) as unit:
            now = {
                VersionId(row.id): VersionState(row.state)
                for row in unit.session.execute(select(Version.id, Version.state))
            }
        for version_id, after in now.items():
            before = self.states.get(version_id, VersionState.DRAFT)
            assert before == after or reaches(VersionState(before), after)
        self.states = dict(now)


def reaches(before: VersionState, after: VersionState) -> bool:
    """Whether one act leads there: a decision admits and lists at once, a claim may propose."""
    steps = {target for source, target in LIFE_CYCLE if source is before}
    return after in steps or (before is VersionState.IN_REVIEW and after is VersionState.LISTED)


@contextmanager
def fresh_world() -> Iterator[Units]:
    """Yield units on a database of their own; the test says where."""
    server, told = WORLD["server"], WORLD["settings"]
    assert isinstance(server, str) and isinstance(told, Settings)
    with fresh_units(server, told, worlds=True) as units:
        yield units
