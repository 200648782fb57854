"""Drafts: what a person has typed of a request, kept as typed until it is requested or dropped.

A draft is its person's own and no record: texts, right or wrong, of one basket. What it would mean
is `request_previews`'.
"""

from collections.abc import Iterable

import msgspec
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from kernel.unit import Unit
from procurement.models import SelectionDraft
from procurement.requests import require_requester

MOST_ITEMS = 20


class DraftItem(msgspec.Struct, frozen=True, kw_only=True):
    """One resource (`vendor/sku`) with the ceilings as typed, in yuan."""

    resource: str
    ceiling: str = ""
    later: str = ""
    trial: bool = False


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One basket as typed."""

    starts_on: str = ""
    ends_on: str = ""
    reason: str = ""
    items: tuple[DraftItem, ...] = ()

    def with_resources(self, resources: Iterable[str]) -> "Draft":
        """Return the draft with resources that it does not hold yet, as far as there is room."""
        held = {item.resource for item in self.items}
        fresh = [DraftItem(resource=one) for one in dict.fromkeys(resources) if one not in held]
        return msgspec.structs.replace(self, items=(*self.items, *fresh)[:MOST_ITEMS])

    def with_item(self, item: DraftItem) -> "Draft":
        """Return the draft with an item in place of what it held of its resource."""
        kept = self.without(item.resource).items[: MOST_ITEMS - 1]
        return msgspec.structs.replace(self, items=(*kept, item))

    def without_later(self) -> "Draft":
        """Return the draft without ceilings of a second year."""
        items = tuple(msgspec.structs.replace(item, later="") for item in self.items)
        return msgspec.structs.replace(self, items=items)

    def without(self, resource: str) -> "Draft":
        kept = tuple(item for item in self.items if item.resource != resource)
        return msgspec.structs.replace(self, items=kept)


def own_draft(unit: Unit) -> Draft:
    """Return the actor's draft, an empty one if there is none."""
    found = unit.session.get(SelectionDraft, require_requester(unit), populate_existing=True)
    return msgspec.convert(found.form, Draft) if found is not None else Draft()


def keep_draft(unit: Unit, draft: Draft) -> None:
    """Keep the actor's draft in place of what was kept before."""
    values = {
        "person_id": require_requester(unit),
        "form": msgspec.to_builtins(draft),
        "saved_at": unit.clock.now(),
    }
    statement = insert(SelectionDraft).values(**values)
    unit.session.execute(
        statement.on_conflict_do_update(
            index_elements=["person_id"],
            set_={"form": statement.excluded.form, "saved_at": statement.excluded.saved_at},
        )
    )


def drop_draft(unit: Unit) -> None:
    """Drop the actor's draft: it was requested, or given up."""
    unit.session.execute(
        delete(SelectionDraft)
        .where(SelectionDraft.person_id == require_requester(unit))
        .execution_options(synchronize_session=False)
    )
