"""Tax withheld of what a teacher earns (劳务报酬所得预扣预缴, R64): pure arithmetic over one table.

What a teacher is paid within a month is one income; each further payment of the month withholds
what the tax on all of it exceeds what was withheld before. Amounts in fen, rounded once, half to
even. The table that is shipped is annex 2 of notice 61 of 2018 of the State Taxation
Administration; a later one is recorded (`rate_tables`), never written over it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final
from uuid import UUID

import msgspec


class Bracket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rate for what is taxable up to `up_to_fen` (None: without end), less `quick_fen`."""

    up_to_fen: int | None
    rate: Decimal
    quick_fen: int


class WithholdingTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing up to `exempt_fen`; up to `flat_until_fen` a flat deduction, above it a share."""

    exempt_fen: int
    flat_until_fen: int
    flat_fen: int
    share: Decimal
    brackets: list[Bracket]

    def __post_init__(self) -> None:
        ends = [one.up_to_fen for one in self.brackets]
        inner = [end for end in ends[:-1] if end is not None]
        if not ends or ends[-1] is not None or len(inner) != len(ends) - 1:
            raise ValueError("the last bracket alone has no end")
        if inner != sorted(set(inner)):
            raise ValueError("brackets rise")
        if not 0 <= self.share < 1 or not all(0 <= one.rate < 1 for one in self.brackets):
            raise ValueError("shares and rates are from 0 to below 1")
        if not 0 <= self.flat_fen <= self.exempt_fen <= self.flat_until_fen:
            raise ValueError("the flat deduction is at most what is exempt")


SHIPPED: Final = WithholdingTable(
    exempt_fen=80_000,
    flat_until_fen=400_000,
    flat_fen=80_000,
    share=Decimal("0.20"),
    brackets=[
        Bracket(up_to_fen=2_000_000, rate=Decimal("0.20"), quick_fen=0),
        Bracket(up_to_fen=5_000_000, rate=Decimal("0.30"), quick_fen=200_000),
        Bracket(up_to_fen=None, rate=Decimal("0.40"), quick_fen=700_000),
    ],
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaxSteps:
    """How a tax came about: income less deduction is taxable, at a rate, less what is quick."""

    income_fen: int
    deduction_fen: Decimal
    taxable_fen: Decimal
    rate: Decimal
    quick_fen: int
    tax_fen: int

    def facts(self) -> dict[str, Any]:
        """Return the steps as they are kept: decimals as text."""
        return {
            "income_fen": self.income_fen,
            "deduction_fen": str(self.deduction_fen),
            "taxable_fen": str(self.taxable_fen),
            "rate": str(self.rate),
            "quick_fen": self.quick_fen,
            "tax_fen": self.tax_fen,
        }


def tax_on(income_fen: int, table: WithholdingTable) -> TaxSteps:
    """Return the tax on one income, in fen."""
    if income_fen <= table.exempt_fen:
        deduction = Decimal(max(0, income_fen))
    elif income_fen <= table.flat_until_fen:
        deduction = Decimal(table.flat_fen)
    else:
        deduction = income_fen * table.share
    taxable = income_fen - deduction
    bracket = next(
        one for one in table.brackets if one.up_to_fen is None or taxable <= one.up_to_fen
    )
    tax = max(Decimal(0), taxable * bracket.rate - bracket.quick_fen)
    return TaxSteps(
        income_fen=income_fen,
        deduction_fen=deduction,
        taxable_fen=taxable,
        rate=bracket.rate if taxable else Decimal(0),
        quick_fen=bracket.quick_fen if taxable else 0,
        tax_fen=int(tax.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierIncome:
    """What a teacher was paid in the month by earlier runs, and what of it was withheld."""

    income_fen: int = 0
    tax_fen: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Withheld:
    """What is withheld of one teacher's dues of a run, and the arithmetic over the month."""

    earlier: EarlierIncome
    income_fen: int
    tax_fen: int
    steps: TaxSteps


@dataclass(frozen=True, kw_only=True, slots=True)
class Taxation:
    """Of whom tax is withheld, by which version of the table; `earlier` names every teacher."""

    version: str
    table: WithholdingTable
    earlier: Mapping[UUID, EarlierIncome]

    def withheld(self, payee_id: UUID, income_fen: int) -> Withheld | None:
        """Return what is withheld of one more income of the month; None of who is no teacher."""
        earlier = self.earlier.get(payee_id)
        if earlier is None or income_fen <= 0:
            return None
        steps = tax_on(earlier.income_fen + income_fen, self.table)
        tax_fen = min(income_fen, max(0, steps.tax_fen - earlier.tax_fen))
        return Withheld(earlier=earlier, income_fen=income_fen, tax_fen=tax_fen, steps=steps)


NOBODY_TAXED: Final = Taxation(version="", table=SHIPPED, earlier={})
