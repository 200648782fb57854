"""What stands against paying and crediting (409)."""

from kernel.errors.conflicts import Conflict


class NothingToPay(Conflict):
    code = "nothing-to-pay"
    summary = "Nothing that was stated up to {period} is due and not in a payment run yet."
    remedy = "What is posted later, or released of the retention, goes into the next run."


class NotReleased(Conflict):
    code = "not-released"
    summary = "{number} is {state}: only what two people released is paid."
    remedy = "Another finance person of the bureau releases it, on its page."


class WithheldForAnotherMonth(Conflict):
    code = "withheld-for-another-month"
    summary = "The tax that {number} withholds is that of {period}, which is over."
    remedy = "Return it and have it proposed again: the tax is reckoned on the month of payment."


class WithheldAnew(Conflict):
    code = "withheld-anew"
    summary = "The tax that {number} withholds of {payees} is not right any more."
    remedy = (
        "Return it and have it proposed again: since then other payments of the month were "
        "released, came back or failed, or the table of rates changed."
    )


class PayeesHeld(Conflict):
    code = "payees-held"
    summary = "{number} would pay {payees}, who are held since it was proposed."
    remedy = "Lift the holds; what is not released yet may be proposed again without them."


class AccountsChanged(Conflict):
    code = "accounts-changed"
    summary = "{number} names bank accounts that count no more: {payees}."
    remedy = "Return it and have it proposed again: the orders name the accounts that count then."


class NotDueAnyMore(Conflict):
    code = "not-due-any-more"
    summary = "{number} asks for what {payers} paid, or does not owe, since it was proposed."
    remedy = "Return it and have it proposed again: what is still due stands in the new one."


class MoreTaxThanOwed(Conflict):
    code = "more-tax-than-owed"
    summary = "{amount} yuan is not within the {owed} yuan of tax that are owed and not remitted."
    remedy = "Compare the receipt with the filing; what waits to be checked counts as remitted."


class MoreTaxThanRemitted(Conflict):
    code = "more-tax-than-remitted"
    summary = "{amount} yuan is not within the {left} yuan that {number} still stands for."
    remedy = "What was taken back of it before counts, and what waits to be checked."


class NotRemitted(Conflict):
    code = "not-remitted"
    summary = "{number} is no recorded remittance, so nothing is taken back of it."
    remedy = (
        "What waits to be checked is withdrawn or returned; what was taken back wrongly is "
        "recorded as remitted anew, under a paper of its own."
    )


class PayoutNotFailed(Conflict):
    code = "payout-not-failed"
    summary = "The payout {key} has not failed, so there is nothing to try again."
    remedy = "What is on its way arrives within some days; what failed says so."


class TransferUndone(Conflict):
    code = "transfer-undone"
    summary = "{key} goes back to its payer, so it can't be tried again."
    remedy = "What it would have paid is due again, in a later payment run."


class PaidTwice(Conflict):
    code = "paid-twice"
    summary = "Another payment run pays what {key} would pay: its payer has paid twice."
    remedy = "Propose to take back: the payer gets the second payment back."


class ReadingPutAside(Conflict):
    code = "reading-put-aside"
    summary = "“{title}” was put aside when another article was begun."
    remedy = "Begin it again; one article is read at a time."


class ReadTooSoon(Conflict):
    code = "read-too-soon"
    summary = "“{title}” was begun less than a reading's time ago."
    remedy = "Read on; it can be marked as read in {seconds} seconds."
