"""What a plan of a run is made of: payments, and what is left out of it, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from settlement.payments.parts import Item, Part
from settlement.payments.states import LeftOut, PaymentKind
from settlement.taxation import Withheld


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One payment of a plan; `items` are (funding line, fen) and add up to its amount.

    `parts` say of which agreement's month each line's is, what is withheld of it included.
    `taxed_before`: what of each line's an earlier run withheld tax of, and it came back.
    `again_of_id`: the order of a tax that came back and that this one orders again.
    """

    kind: PaymentKind
    payer_id: UUID
    payee_id: UUID
    amount_fen: int
    items: tuple[Item, ...] = ()
    parts: tuple[Part, ...] = ()
    undoes_id: UUID | None = None
    again_of_id: UUID | None = None
    taxed_before: Mapping[UUID, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Omitted:
    """What of a payer's due to a payee is left out of a plan, in fen, and why."""

    payer_id: UUID
    payee_id: UUID
    amount_fen: int
    because: LeftOut


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run would hold. `payments` come payer by payer, the collection first.

    `withheld`: of which teachers how much tax, by which `version` of the table. `names`: of whom it
    is known beside.
    """

    payments: Sequence[Planned]
    omitted: Sequence[Omitted]
    withheld: Mapping[UUID, Withheld] = field(default_factory=dict)
    version: str = ""
    names: Mapping[UUID, str] = field(default_factory=dict)

    @property
    def paid_out_fen(self) -> int:
        return sum(
            one.amount_fen
            for one in self.payments
            if one.kind not in (PaymentKind.COLLECTION, PaymentKind.REFUND)
        )


def planned(
    kind: PaymentKind,
    payer_id: UUID,
    payee_id: UUID,
    items: Sequence[Item],
    parts: Sequence[Part] = (),
) -> Planned:
    """Return a payment of these items, which add up to its amount."""
    return Planned(
        kind=kind,
        payer_id=payer_id,
        payee_id=payee_id,
        amount_fen=sum(fen for _, fen in items),
        items=tuple(items),
        parts=tuple(parts),
    )


def left_out(payer_id: UUID, payee_id: UUID, amount_fen: int, because: LeftOut) -> Omitted:
    """Return that something of a pair is left out, and why."""
    return Omitted(payer_id=payer_id, payee_id=payee_id, amount_fen=amount_fen, because=because)
