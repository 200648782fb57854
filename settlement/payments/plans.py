"""Plans of runs: who would be paid how much by whom, out of which line; who is left out, and why.

Pure where it decides: dues less what is claimed, set off only against the same payer, and under
treasury payment only within the same line (R41, R63); of a teacher's the tax is withheld (R64).
Nothing is written here, and the questions are the same few for any number of payers.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from kernel.clock import Month
from kernel.money import split_by_largest_remainder
from kernel.unit import Unit
from settlement.dues import Due, Paid, earned_cells, of_dues, paid_of
from settlement.ledger.posting import INSTALLATION
from settlement.payments.parts import (
    Cells,
    Item,
    Pair,
    claimed_parts,
    open_cells,
    open_dues,
    open_until,
    parts_of,
)
from settlement.payments.payability import (
    Reach,
    Undone,
    payable_payees,
    reach_of,
    undone_transfers,
    withheld_pairs,
)
from settlement.payments.planned import Omitted, Plan, Planned, left_out, planned
from settlement.payments.states import LeftOut, PaymentKind, PaymentMethod, RunPurpose
from settlement.payments.taxes import (
    apart_from_tax,
    shares_of_tax,
    tax_again,
    taxation_of,
    taxed_before,
    taxed_of,
)
from settlement.queries.recoveries import planned_payers, refundable_of
from settlement.taxation import NOBODY_TAXED, Taxation


def plan_run(
    unit: Unit,
    month: Month | None,
    *,
    method: PaymentMethod,
    purpose: RunPurpose = RunPurpose.PAY,
) -> Plan:
    """Return what a run of the actor's payers would hold, of what is stated up to `month`.

    Without a month, and for a refund, of all that is stated by now.
    """
    found_payers = planned_payers(unit)
    payers = [one.id for one in found_payers]
    cells, paid = earned_cells(unit, payers), paid_of(unit, payers)
    earned, claimed = of_dues(cells), claimed_parts(unit, payers)
    if purpose is RunPurpose.REFUND:
        return plan_refunds(
            earned,
            paid,
            withheld=withheld_pairs(unit, payers),
            reach=reach_of(unit, {due.payee_id for due in paid}),
            undone=undone_transfers(unit, payers),
            cells=open_cells(claimed, cells),
            too_much={one.id: one.over_fen for one in found_payers if one.over_fen},
            refundable=refundable_of(unit, payers),
        )
    left = open_dues(earned, paid)
    if month is not None:  # what was stated later waits
        left = open_until(earned_cells(unit, payers, until=month), cells, claimed, paid)
    payees = {due.payee_id for due in left}
    found = payable_payees(unit, payees, method=method, payers=payers, until=month)
    plan = plan_payments(
        left,
        method=method,
        held=found.held,
        ready=found.ready,
        minimum_fen=unit.settings.payout_minimum_fen,
        taxation=taxation_of(unit, found.teachers),
        taxed=taxed_before(unit, found.teachers),
        again=tax_again(unit, payers) if found.tax_back else {},
        cells=open_cells(cells, claimed),
        debts={one.id: one.debt_fen for one in found_payers if one.debt_fen}
        if method is PaymentMethod.GATEWAY
        else {},
    )
    names = {one.id: one.name for one in found_payers} | found.names
    return replace(
        plan, omitted=[*plan.omitted, *_late(paid), *_disputed(found.disputed)], names=names
    )


def _late(paid: Mapping[Due, Paid]) -> Iterable[Omitted]:
    """Yield what payers paid late: it waits for a person, and is why less is due than was earned.

    Where another run has paid the same, it is set off against what else is due to the payee.
    """
    late: dict[Pair, int] = defaultdict(int)
    for due, one in sorted(paid.items()):
        if one.late_fen:
            late[due.payer_id, due.payee_id] += one.late_fen
    for pair, fen in late.items():
        yield left_out(*pair, fen, LeftOut.PAID_LATE)


def _disputed(disputed: Mapping[Pair, int]) -> Iterable[Omitted]:
    """Yield what payers dispute: it is due to nobody until somebody has decided."""
    for pair, fen in sorted(disputed.items()):
        if fen:
            yield left_out(*pair, fen, LeftOut.DISPUTED)


def plan_payments(
    left: Mapping[Due, int],
    *,
    method: PaymentMethod,
    held: Collection[UUID] = (),
    ready: Collection[UUID] | None = None,
    minimum_fen: int = 0,
    taxation: Taxation = NOBODY_TAXED,
    taxed: Mapping[Due, int] | None = None,
    again: Mapping[Due, Sequence[tuple[UUID, int]]] | None = None,
    cells: Cells | None = None,
    debts: Mapping[UUID, int] | None = None,
) -> Plan:
    """Return the payments of what is left, each pair of payer and payee for itself.

    `taxed`: what of a teacher's dues an earlier run withheld tax of, and it came back, in fen.
    `again`: tax that came back itself, by its orders; the tax office's, whatever else is planned.
    `debts`: what payers owe the platform, in fen: collected again, and passed on to nobody.
    """
    taxes, left, cells = apart_from_tax(left, again or {}, cells)
    wanted, omitted = _set_off(left, method)
    of_payee: dict[UUID, int] = defaultdict(int)
    for (_, payee_id), items in wanted.items():
        of_payee[payee_id] += sum(fen for _, fen in items)
    not_ready = LeftOut.NO_ACCOUNT if method is PaymentMethod.TREASURY else LeftOut.NOT_READY

    def because(payee_id: UUID) -> LeftOut | None:
        if payee_id in held:
            return LeftOut.HELD
        if payee_id == INSTALLATION:
            return None
        if ready is not None and payee_id not in ready:
            return not_ready
        return LeftOut.BELOW_MINIMUM if of_payee[payee_id] < minimum_fen else None

    for pair, items in list(wanted.items()):
        reason = because(pair[1])
        if reason is not None:
            omitted.append(left_out(*pair, sum(fen for _, fen in items), reason))
            del wanted[pair]
    before = {pair: taxed_of(pair, items, taxed or {}) for pair, items in wanted.items()}
    incomes: dict[UUID, int] = defaultdict(int)
    for pair, items in wanted.items():
        incomes[pair[1]] += sum(fen for _, fen in items) - sum(before[pair].values())
    withheld = {
        payee_id: one
        for payee_id, income_fen in incomes.items()
        if (one := taxation.withheld(payee_id, income_fen)) is not None
    }
    kept = shares_of_tax(wanted, withheld, before)
    payments: dict[UUID, list[Planned]] = defaultdict(list)
    for pair, items in wanted.items():
        payments[pair[0]] += _paying(
            pair,
            items,
            method=method,
            tax=kept.get(pair, {}),
            taxed=before[pair],
            cells=cells,
        )
    for (payer_id, payee_id, line_id), order_id, fen, parts in taxes:
        if method is PaymentMethod.TREASURY:
            item = line_id, fen
            order = planned(PaymentKind.WITHHOLDING, payer_id, payee_id, [item], parts)
            payments[payer_id].append(replace(order, again_of_id=order_id))
        else:
            omitted.append(left_out(payer_id, payee_id, fen, LeftOut.TAX_AGAIN))
    for payer_id, fen in (debts or {}).items():
        payments[payer_id].append(
            Planned(
                kind=PaymentKind.RECOVERY, payer_id=payer_id, payee_id=INSTALLATION, amount_fen=fen
            )
        )
    sides = _with_sides(payments, PaymentKind.COLLECTION, method)
    return Plan(payments=list(sides), omitted=omitted, withheld=withheld, version=taxation.version)


def _paying(
    pair: Pair,
    items: Sequence[Item],
    *,
    method: PaymentMethod,
    tax: Mapping[UUID, int],
    taxed: Mapping[UUID, int],
    cells: Cells | None,
) -> list[Planned]:
    """Return a pair's payments: to the payee what is left of the tax, and the tax by itself.

    Where the tax takes all, it alone.
    """
    net = [(line_id, fen - tax.get(line_id, 0)) for line_id, fen in items]
    whole = [] if pair[1] == INSTALLATION else parts_of(pair, items, cells)
    if method is PaymentMethod.TREASURY:
        of_line = {line_id: [one for one in whole if one[0] == line_id] for line_id, _ in items}
        return [
            *(
                replace(
                    planned(PaymentKind.ORDER, *pair, [item], of_line[item[0]]),
                    taxed_before={item[0]: taxed.get(item[0], 0)},
                )
                for item in net
                if item[1]
            ),
            *(
                planned(
                    PaymentKind.WITHHOLDING,
                    *pair,
                    [item],
                    [] if dict(net)[item[0]] else of_line[item[0]],
                )
                for item in sorted(tax.items())
            ),
        ]
    kind = PaymentKind.FEE if pair[1] == INSTALLATION else PaymentKind.TRANSFER
    passed_on = [one for one in net if one[1]]
    goes_on = sum(fen for _, fen in net) > 0
    paying = []
    if goes_on:
        transfer = planned(kind, *pair, passed_on, whole)
        paying.append(replace(transfer, taxed_before=taxed))
    if tax:
        # What the lines beyond the tax set off against each other stays with it.
        items_of_tax = sorted(tax.items()) if goes_on else items
        paying.append(
            planned(PaymentKind.WITHHOLDING, *pair, items_of_tax, [] if goes_on else whole)
        )
    return paying


def _set_off(
    left: Mapping[Due, int], method: PaymentMethod
) -> tuple[dict[Pair, list[Item]], list[Omitted]]:
    """Set credits off: within a payer's lines, or under treasury payment within each line alone."""
    pairs: dict[Pair, list[Item]] = defaultdict(list)
    for due, fen in sorted(left.items()):
        pairs[due.payer_id, due.payee_id].append((due.line_id, fen))
    wanted: dict[Pair, list[Item]] = {}
    omitted: list[Omitted] = []
    for (payer_id, payee_id), items in pairs.items():
        if method is PaymentMethod.TREASURY:
            carried = sum(fen for _, fen in items if fen < 0)
            payable = [(line_id, fen) for line_id, fen in items if fen > 0]
        else:
            total = sum(fen for _, fen in items)
            carried, payable = (0, items) if total > 0 else (total, [])
        if carried:
            omitted.append(left_out(payer_id, payee_id, carried, LeftOut.CARRIED))
        if payable:
            wanted[payer_id, payee_id] = payable
    return wanted, omitted


def plan_refunds(
    earned: Mapping[Due, int],
    paid: Mapping[Due, Paid],
    *,
    withheld: Mapping[Pair, int] | None = None,
    reach: Reach | None = None,
    undone: Sequence[Undone] = (),
    cells: Cells | None = None,
    too_much: Mapping[UUID, int] | None = None,
    refundable: Mapping[UUID, int] | None = None,
) -> Plan:
    """Return what every payee gives back of what credits took off after its payment (R41).

    Of a teacher the tax withheld comes back in proportion. What left the gateway for a payee's
    bank, or never passed through it, can't be taken back there, and is set off later. `undone`:
    transfers that failed for good. `too_much`: what payers paid of lost disputes beyond these.
    `refundable`: what can be refunded to a payer of its collections; where that is less, it waits.
    """
    payments: dict[UUID, list[Planned]] = defaultdict(list)
    omitted: list[Omitted] = []
    pairs: dict[Pair, list[Item]] = defaultdict(list)
    settled: dict[Pair, int] = defaultdict(int)
    given_up = {(one.payer_id, one.payee_id) for one in undone}
    for due, one in sorted(paid.items()):
        pair = due.payer_id, due.payee_id
        settled[pair] += one.settled_fen
        over = min(one.settled_fen, one.claimed_fen) - max(0, earned.get(due, 0))
        if over > 0 and pair not in given_up:
            pairs[pair].append((due.line_id, over))
    left = dict(reach.of_payees) if reach else {}
    for pair, items in pairs.items():
        payer_id, payee_id = pair
        total = sum(fen for _, fen in items)
        tax_fen = (withheld or {}).get(pair, 0) * total // settled[pair]
        if reach is not None:
            there = min(reach.of_pairs.get(pair, 0), left.get(payee_id, 0))
            if total - tax_fen > there:
                omitted.append(left_out(*pair, total, LeftOut.PAID_OUT))
                continue
            left[payee_id] -= total - tax_fen
        if payee_id == INSTALLATION:
            payments[payer_id].append(planned(PaymentKind.FEE_RETURN, *pair, items))
            continue
        shares = split_by_largest_remainder(tax_fen, [fen for _, fen in items])
        net = [(line, fen - part) for (line, fen), part in zip(items, shares, strict=True)]
        tax = [(line, part) for (line, _), part in zip(items, shares, strict=True) if part]
        parts = parts_of(pair, items, cells)
        payments[payer_id].append(
            planned(PaymentKind.REVERSAL, *pair, [one for one in net if one[1]], parts)
        )
        if tax:
            payments[payer_id].append(planned(PaymentKind.WITHHOLDING_RETURN, *pair, tax))
    for back in undone:
        kind = PaymentKind.WITHHOLDING_RETURN if back.is_tax else PaymentKind.UNDONE
        payments[back.payer_id].append(
            replace(
                planned(kind, back.payer_id, back.payee_id, back.items, back.parts),
                undoes_id=None if back.is_tax else back.payment_id,
            )
        )
    for payer_id, fen in (too_much or {}).items():
        payments[payer_id].append(
            Planned(
                kind=PaymentKind.RECOVERY_RETURN,
                payer_id=payer_id,
                payee_id=INSTALLATION,
                amount_fen=fen,
            )
        )
    for payer_id, own in list(payments.items()):
        if refundable is not None and sum(one.amount_fen for one in own) > refundable.get(
            payer_id, 0
        ):
            omitted += [
                left_out(payer_id, one.payee_id, one.amount_fen, LeftOut.CHARGED_BACK)
                for one in own
            ]
            del payments[payer_id]
    sides = _with_sides(payments, PaymentKind.REFUND, PaymentMethod.GATEWAY)
    return Plan(payments=list(sides), omitted=omitted)


def _with_sides(
    payments: Mapping[UUID, Sequence[Planned]], kind: PaymentKind, method: PaymentMethod
) -> Iterable[Planned]:
    """Yield each payer's payments, before them what the payer itself pays or gets back."""
    for payer_id, own in payments.items():
        if method is PaymentMethod.GATEWAY:
            total = sum(one.amount_fen for one in own)
            yield Planned(kind=kind, payer_id=payer_id, payee_id=INSTALLATION, amount_fen=total)
        yield from own
