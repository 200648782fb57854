"""What people do in the simulated marketplace, month by month, and what settles of it.

Schools take something up where they need it, by marketing more than by quality; teachers use it,
some of them rate, the delighted and the angry more often than the others; terms end and are renewed
out of habit as well as conviction; what breaks is disputed by those who complain. Captive schools
praise, hostile ones damn. Links (a school and a vendor that ever met) are rows of arrays.
"""

from typing import Any, Final

import numpy as np

from settlement.ranking.numbers import Real, Whole
from settlement.ranking.simulation.world import MONTHS, NAIVE, NONE, World

TEACHERS: Final = 8
TERM: Final = 6
WINDOW: Final = 12
AUDIT_WINDOW: Final = 24
AUDITS_PER_MONTH: Final = 0.1
CUTS: Final = (-1.8, -0.9, 0.0, 0.9)
SLIP: Final = 0.22
"""How many of their ratings the sly make a star less extreme, so as not to be of one mind."""

HONEST, PRAISES, PRAISES_SLYLY, DAMNS, DAMNS_SLYLY = 0, 1, 2, 3, 4


class Market:
    """A marketplace as it stands; `month` counts from 0."""

    def __init__(self, rng: np.random.Generator, world: World) -> None:
        self.rng, self.world, self.month = rng, world, -1
        vendors, schools = len(world.cell), len(world.size)
        self.link_of = np.full((schools, vendors), -1, dtype=np.int64)
        self.disliked = np.zeros((schools, vendors))
        self.spread = rng.lognormal(0, 0.25, schools)
        self.passed = np.zeros((vendors, AUDIT_WINDOW), dtype=np.int64)
        self.audited = np.zeros((vendors, AUDIT_WINDOW), dtype=np.int64)
        self.vendor = np.zeros(0, dtype=np.int64)
        self.school = np.zeros(0, dtype=np.int64)
        self.kind = np.zeros(0, dtype=np.int64)
        self.active = np.zeros(0, dtype=bool)
        self.term_left = np.zeros(0, dtype=np.int64)
        self.teachers = np.zeros(0, dtype=np.int64)
        self.suits = np.zeros(0)
        self.temper = np.zeros((0, TEACHERS))
        self.stars = np.zeros((0, TEACHERS), dtype=np.int64)
        self.rated_at = np.zeros(0, dtype=np.int64)
        self.against_at = np.zeros(0, dtype=np.int64)
        self.all_stars = np.zeros(0, dtype=np.int64)
        self.all_ratings = np.zeros(0, dtype=np.int64)
        self.renewed = np.zeros((0, WINDOW), dtype=np.int64)
        self.ended = np.zeros((0, WINDOW), dtype=np.int64)
        self.defects = np.zeros((0, WINDOW), dtype=np.int64)
        self.months = np.zeros((0, WINDOW), dtype=np.int64)
        self.uses = np.zeros((0, WINDOW), dtype=np.int64)

    def live(self) -> None:
        """Let one month pass."""
        self.month += 1
        slot = self.month % WINDOW
        for window in (self.renewed, self.ended, self.defects, self.months, self.uses):
            window[:, slot] = 0
        self.active &= self.world.present(self.month)[self.vendor]
        self._end_terms(slot)
        self._take_up()
        self._attack()
        self._use(slot)
        self._rate()
        self._complain(slot)
        self._audit()

    def customers(self) -> Whole:
        """Return how many schools use each vendor."""
        return np.bincount(self.vendor[self.active], minlength=len(self.world.cell))

    def _end_terms(self, slot: int) -> None:
        self.term_left[self.active] -= 1
        due = np.flatnonzero(self.active & (self.term_left <= 0))
        felt = self._experience(due) + self.rng.normal(0, 0.8, len(due))
        stays = self.rng.random(len(due)) < 1 / (1 + np.exp(-(1.1 * felt + 0.9)))
        kind = self.kind[due]
        stays |= (kind == PRAISES) | (kind == PRAISES_SLYLY)
        stays &= kind < DAMNS
        # A change of grade or curriculum ends an agreement and says nothing.
        moved = (self.rng.random(len(due)) < 0.08) & (kind == HONEST)
        self.renewed[due[stays & ~moved], slot] += 1
        left = due[~stays & ~moved]
        self.ended[left, slot] += 1
        self.against_at[left] = self.month
        self.term_left[due] = TERM
        gone = due[moved | ~stays]
        self.active[gone] = False
        self.disliked[self.school[gone], self.vendor[gone]] = 3.0

    def _take_up(self) -> None:
        world = self.world
        present = world.present(self.month)
        using = np.zeros_like(world.needs)
        honest = self.active & (self.kind == HONEST)
        np.add.at(using, (self.school[honest], world.cell[self.vendor[honest]]), 1)
        appeal = world.marketing + 0.4 * world.quality[:, self.month]
        appeal = appeal + 0.35 * np.log1p(self.customers())
        appeal = appeal + 0.8 * ((world.brushing != NONE) & (world.brushes_from <= self.month))
        found: list[tuple[Any, Any]] = []
        for cell in range(world.needs.shape[1]):
            lacking = np.flatnonzero(using[:, cell] < world.needs[:, cell])
            lacking = lacking[self.rng.random(len(lacking)) < 0.4]
            offered = np.flatnonzero(present & (world.cell == cell))
            if len(lacking) and len(offered):
                wish = appeal[offered] + self.rng.gumbel(0, 1, (len(lacking), len(offered)))
                wish = wish - self.disliked[np.ix_(lacking, offered)]
                found.append((lacking, offered[wish.argmax(axis=1)]))
        for schools, vendors in found:
            self._link(schools, vendors, HONEST)

    def _attack(self) -> None:
        world, month = self.world, self.month
        present = world.present(month)
        for vendor in np.flatnonzero(
            present & (world.brushing != NONE) & (world.brushes_from == month)
        ):
            sly = world.brushing[vendor] != NAIVE
            self._hire(int(vendor), PRAISES_SLYLY if sly else PRAISES)
        customers = self.customers()
        for vendor in np.flatnonzero(present & (world.bombs != NONE) & (world.bombs_from == month)):
            rivals = np.flatnonzero(present & (world.cell == world.cell[vendor]))
            rivals = rivals[rivals != vendor]
            if len(rivals):
                sly = world.bombs[vendor] != NAIVE
                rival = int(rivals[customers[rivals].argmax()])
                hired = self._hire(rival, DAMNS_SLYLY if sly else DAMNS)
                if not sly:
                    self.hire(hired, int(vendor), PRAISES)
        founded = np.flatnonzero((world.ring >= 0) & (np.maximum(world.entered, 2) == month))
        for one in founded:
            others = np.flatnonzero((world.ring == world.ring[one]) & present)
            for other in others[others != one]:
                pair = np.array([world.home[one], world.home[other]])
                if pair[0] != pair[1]:
                    self._link(pair, np.array([other, one]), PRAISES)

    def _hire(self, vendor: int, kind: int) -> Whole:
        others = np.flatnonzero(np.arange(len(self.world.size)) != self.world.home[vendor])
        hired = self.rng.permutation(others)[: self.world.captives]
        self.hire(hired, vendor, kind)
        return hired

    def hire(self, schools: Whole, vendor: int, kind: int) -> None:
        """Have these schools use a vendor and speak as they are paid to."""
        self._link(schools, np.full(len(schools), vendor), kind)

    def _link(self, schools: Whole, vendors: Whole, kind: int) -> None:
        """Have schools use vendors from now on; a school is met again as it was left."""
        if kind == HONEST:
            # Nobody is paid for the works of their own school.
            outside = self.world.home[vendors] != schools
            schools, vendors = schools[outside], vendors[outside]
        known = self.link_of[schools, vendors] >= 0
        self._open(schools[~known], vendors[~known], kind)
        again = self.link_of[schools[known], vendors[known]]
        self.term_left[again[~self.active[again]]] = TERM
        self.active[again] = True
        self.kind[again] = np.where(kind == HONEST, self.kind[again], kind)

    def _open(self, schools: Whole, vendors: Whole, kind: int) -> None:
        rng, count, first = self.rng, len(schools), len(self.vendor)
        self.link_of[schools, vendors] = np.arange(first, first + count)
        taste = self.world.district_taste[self.world.district[schools], vendors]
        new: dict[str, Any] = {
            "vendor": vendors,
            "school": schools,
            "kind": np.full(count, kind),
            "active": np.ones(count, dtype=bool),
            "term_left": np.full(count, TERM),
            "teachers": np.minimum(1 + rng.poisson(self.world.size[schools] / 350), TEACHERS),
            "suits": rng.normal(0, 0.5, count) + taste,
            "temper": rng.standard_t(3, (count, TEACHERS)) * 0.35,
            "stars": np.zeros((count, TEACHERS), dtype=np.int64),
            "rated_at": np.full(count, -1),
            "against_at": np.full(count, -1),
            "all_stars": np.zeros(count, dtype=np.int64),
            "all_ratings": np.zeros(count, dtype=np.int64),
        }
        if kind != HONEST:
            new["teachers"] = np.full(count, TEACHERS if kind in {PRAISES, DAMNS} else 5)
        for name in ("renewed", "ended", "defects", "months", "uses"):
            new[name] = np.zeros((count, WINDOW), dtype=np.int64)
        for name, values in new.items():
            setattr(self, name, np.concatenate([getattr(self, name), values]))

    def _use(self, slot: int) -> None:
        rows = np.flatnonzero(self.active)
        expected = 0.6 * self.world.size[self.school[rows]] * self.world.sticky[self.vendor[rows]]
        times = np.choose(self.kind[rows], [1.0, 20.0, 3.0, 0.2, 0.2])
        noise = self.rng.lognormal(0, 0.4, len(rows))
        self.uses[rows, slot] = np.maximum(expected * times * noise, 1).astype(np.int64)
        self.months[rows, slot] = 1

    def _rate(self) -> None:
        rng = self.rng
        rows = np.flatnonzero(self.active)
        shape = (len(rows), TEACHERS)
        felt = (self._experience(rows) + rng.normal(0, 0.3, len(rows)))[:, None]
        felt = felt + self.temper[rows] + rng.standard_t(3, shape) * 0.4
        school = self.school[rows]
        felt = felt + self.world.lenient[school][:, None]
        wish = self.world.speaks[school][:, None] * (0.25 + 0.45 * np.abs(felt - 0.3))
        stars = 1 + sum((felt > cut * self.spread[school][:, None]) for cut in CUTS)
        kind = self.kind[rows][:, None]
        bought = kind != HONEST
        slip = rng.random(shape) < SLIP
        said = np.choose(
            np.broadcast_to(kind, shape), [stars, 5, np.where(slip, 4, 5), 1, np.where(slip, 2, 1)]
        )
        speaks = rng.random(shape) < np.where(bought, 0.6, np.minimum(wish, 0.9))
        speaks &= np.arange(TEACHERS)[None, :] < self.teachers[rows][:, None]
        self.stars[rows] = np.where(speaks, said, self.stars[rows])
        spoke = speaks.any(axis=1)
        self.rated_at[rows[spoke]] = self.month
        angry = (speaks & (said <= 2)).any(axis=1)
        self.against_at[rows[angry]] = self.month
        self.all_stars[rows] += np.where(speaks, said, 0).sum(axis=1)
        self.all_ratings[rows] += speaks.sum(axis=1)

    def _complain(self, slot: int) -> None:
        rng, world = self.rng, self.world
        rows = np.flatnonzero(self.active)
        vendor, school = self.vendor[rows], self.school[rows]
        breaks = 0.02 * np.exp(-0.9 * world.quality[vendor, self.month]) * world.fragile[vendor]
        rate = np.where(self.kind[rows] == HONEST, breaks * world.complains[school], 0.0)
        # What a hostile school claims is upheld now and then.
        rate = np.where(self.kind[rows] >= DAMNS, 0.03, rate * 0.6)
        times = np.repeat(rows, rng.poisson(np.minimum(rate, 1.0)))
        severity = rng.choice([1, 3, 10], size=len(times), p=[0.75, 0.20, 0.05])
        np.add.at(self.defects[:, slot], times, severity)
        self.against_at[times] = self.month

    def _audit(self) -> None:
        slot = self.month % AUDIT_WINDOW
        used = self.customers() > 0
        chosen = used & (self.rng.random(len(used)) < AUDITS_PER_MONTH)
        sure = 1.7 * (self.world.quality[:, self.month] + 0.9)
        sure = sure + self.rng.normal(0, 0.8, len(used))
        passed = chosen & (self.rng.random(len(used)) < 1 / (1 + np.exp(-sure)))
        self.audited[:, slot], self.passed[:, slot] = chosen, passed

    def _experience(self, rows: Whole) -> Real:
        felt: Real = self.world.quality[self.vendor[rows], self.month] + self.suits[rows]
        return felt

    def affected(self) -> Whole:
        """Return how many schools have spoken against each vendor after each month: by both."""
        count = len(self.world.cell)
        fresh = self.against_at >= 0
        last = np.zeros((count, MONTHS + 1), dtype=np.int64)
        np.add.at(last, (self.vendor[fresh], self.against_at[fresh]), 1)
        return last[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
