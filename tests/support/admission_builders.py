"""An admission desk: three reviewers of a county, one of its city, two vendors with their managers.

Everything goes through the services; what a test does not say gets a value that fits.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from catalog.admission import claim, decide_admission, judge, propose
from catalog.criteria import Criterion, Depth, Finding, criteria_of
from catalog.drafts import save_draft
from catalog.models import Admission, Version
from catalog.offers import OfferRow
from catalog.resources import CatalogueRow
from catalog.states import AdmissionState
from catalog.submissions import SelfCheck, submit
from kernel.actors import Actor, Role
from kernel.identity.models import Organisation
from kernel.ids import VersionId
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.builders import CITY, a_bureau, a_person, a_region_tree, a_vendor
from tests.support.settlement_builders import SYSTEM
from tests.support.worlds import a_world

COMMITMENT = "本单位承诺对所提交资源的内容和版权负责"


@dataclass(frozen=True, slots=True)
class Desk:
    """Who acts at the desk; logins are the names of the fields."""

    units: Units
    county: Organisation
    city: Organisation
    firm: Organisation
    rival: Organisation
    manager: Actor
    other_manager: Actor
    first: Actor
    second: Actor
    third: Actor
    upper: Actor

    def row(self, sku: str = "A", **facts: Any) -> CatalogueRow:
        return CatalogueRow(
            **{
                "vendor_code": self.firm.code,
                "sku": sku,
                "title": f"资源{sku}",
                "kind": "personalised",
                "tier": "growth",
                "stage": "primary",
                "subject": "语文",
                "type": "video",
                "licence": "CC BY 4.0",
                **facts,
            }
        )

    def offer(
        self, sku: str = "A", price: str = "0.0200", *, valid_from: date = date(2026, 8, 1)
    ) -> OfferRow:
        return OfferRow(
            vendor_code=self.firm.code,
            sku=sku,
            valid_from=valid_from,
            plan="per_use",
            unit_price_yuan=Decimal(price),
        )

    def draft(self, sku: str = "A", *, offer: OfferRow | None = None, **facts: Any) -> VersionId:
        """Have the firm's manager save a draft."""
        with self.units(self.manager) as unit:
            return save_draft(unit, self.row(sku, **facts), offer=offer)

    def submitted(
        self, sku: str = "A", *, offer: OfferRow | None = None, **facts: Any
    ) -> VersionId:
        """Have the firm's manager save a draft and submit it with a whole self-check."""
        version_id = self.draft(sku, offer=offer, **facts)
        with self.units(self.manager) as unit:
            submit(unit, version_id, a_self_check())
        return version_id

    def claimed(self, version_id: VersionId, *, by: Actor | None = None) -> VersionId:
        with self.units(by or self.first) as unit:
            claim(unit, [version_id])
        return version_id

    def proposed(
        self,
        version_id: VersionId,
        *,
        by: Actor | None = None,
        verdict: AdmissionState = AdmissionState.ADMITTED,
        note: str = "建议",
    ) -> VersionId:
        """Have a version claimed, judged by every criterion that it needs, and proposed."""
        actor = by or self.first
        self.claimed(version_id, by=actor)
        finding = Finding.MEETS if verdict is AdmissionState.ADMITTED else Finding.FAILS
        with self.units(actor) as unit:
            depth = Depth(self.admission(version_id).depth)
            for criterion in criteria_of(depth):
                judge(
                    unit, version_id, criterion, finding=finding, evidence=f"{criterion}：见第1页"
                )
            propose(unit, version_id, verdict=verdict, note=note)
        return version_id

    def decided(
        self,
        version_id: VersionId,
        *,
        verdict: AdmissionState = AdmissionState.ADMITTED,
        by: Actor | None = None,
    ) -> VersionId:
        """Have a version proposed and decided by a second reviewer."""
        self.proposed(version_id, verdict=verdict)
        with self.units(by or self.second) as unit:
            decide_admission(unit, [version_id], note="同意", verdict=verdict)
        return version_id

    def listed(self, sku: str = "A", *, price: str = "0.0200", **facts: Any) -> VersionId:
        """A version that two reviewers admitted, with its price."""
        return self.decided(self.submitted(sku, offer=self.offer(sku, price), **facts))

    def state(self, version_id: VersionId) -> str:
        with self.units(SYSTEM) as unit:
            return unit.session.get_one(Version, version_id).state

    def admission(self, version_id: VersionId) -> Admission:
        """Return the last round of a version's admission."""
        with self.units(SYSTEM) as unit:
            rounds = unit.session.query(Admission).filter_by(version_id=version_id)
            return rounds.order_by(Admission.round.desc()).first()


def a_self_check(**facts: Any) -> SelfCheck:
    answers = {criterion.value: f"{criterion}已自查" for criterion in Criterion}
    return SelfCheck(
        **{
            "answers": answers,
            "commitment": COMMITMENT,
            "commits": True,
            "stages": ("primary",),
            "conditions": "教室有投影即可",
            **facts,
        }
    )


@a_world
def a_desk(units: Units) -> Desk:
    """Build the desk; everybody may sign in with `PASSWORD` under the name of their field."""
    with units(SYSTEM) as unit:
        county = a_region_tree(unit)
        city = a_bureau(unit, region_code=CITY, name="云澜市教育局")
        firm, rival = a_vendor(unit), a_vendor(unit)
        people = {
            login: a_person(unit, organisation, [role], login=login, password=PASSWORD, name=login)
            for login, organisation, role in (
                ("manager", firm, Role.VENDOR_MANAGER),
                ("other_manager", rival, Role.VENDOR_MANAGER),
                ("first", county, Role.ADMISSION),
                ("second", county, Role.ADMISSION),
                ("third", county, Role.ADMISSION),
                ("upper", city, Role.ADMISSION),
            )
        }
    return Desk(units=units, county=county, city=city, firm=firm, rival=rival, **people)
