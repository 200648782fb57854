"""Forms as Stripe's API takes them: nested by brackets, checked by field, errors in its words.

Pure. What a call may carry is one table; what it does is `sandbox_calls`'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

CURRENCY: Final = "cny"
MOST_FEN: Final = 99_999_999_999


class SandboxRefusal(Exception):
    """An answer that is an error, in the shape of the real API."""

    def __init__(self, status: int, **error: Any) -> None:
        self.status = status
        self.body = {"error": {key: value for key, value in error.items() if value is not None}}
        super().__init__(error.get("message", ""))


@dataclass(frozen=True, slots=True)
class Fields:
    """What a call needs and what it may have besides; names of the outermost level."""

    needed: frozenset[str]
    allowed: frozenset[str]


def _fields(needed: str, allowed: str = "") -> Fields:
    wanted = frozenset(needed.split())
    return Fields(wanted, wanted | frozenset(allowed.split()))


LISTED: Final = "limit starting_after ending_before created expand"
FIELDS: Final[Mapping[str, Fields]] = {
    "customers.create": _fields("", "name email description metadata"),
    "accounts.create": _fields(
        "type", "country business_profile capabilities settings metadata email"
    ),
    "accounts.retrieve": _fields("", "expand"),
    "accounts.update": _fields("", "business_profile capabilities settings metadata email"),
    "account_links.create": _fields("account type", "refresh_url return_url collect"),
    "payment_intents.create": _fields(
        "amount currency",
        "customer confirm allowed_payment_method_types payment_method_data payment_method_options "
        "transfer_group metadata description",
    ),
    "payment_intents.cancel": _fields("", "cancellation_reason"),
    "payment_intents.retrieve": _fields("", "expand"),
    "payment_intents.list": _fields("", f"customer {LISTED}"),
    "transfers.create": _fields(
        "amount currency destination", "transfer_group metadata source_transaction description"
    ),
    "transfers.list": _fields("", f"destination transfer_group {LISTED}"),
    "reversals.create": _fields("", "amount metadata description refund_application_fee"),
    "reversals.list": _fields("", LISTED),
    "refunds.create": _fields("", "payment_intent charge amount reason metadata"),
    "refunds.list": _fields("", f"payment_intent charge {LISTED}"),
    "payouts.create": _fields(
        "amount currency", "metadata description statement_descriptor method source_type"
    ),
    "payouts.retrieve": _fields("", "expand"),
    "payouts.list": _fields("", f"status arrival_date destination {LISTED}"),
    "disputes.list": _fields("", f"payment_intent charge {LISTED}"),
    "balance_transactions.list": _fields("", f"type source payout {LISTED}"),
    "balance.retrieve": _fields("", ""),
    "events.list": _fields("", f"type types {LISTED}"),
}


def read_form(encoded: str) -> dict[str, Any]:
    """Return an encoded form as nested values: `a[b][0]=c` is {"a": {"b": ["c"]}}."""
    form: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        path = name.replace("]", "").split("[")
        place = form
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = value
    return {name: _listed(value) for name, value in form.items()}


def _listed(value: Any) -> Any:
    """Make a list of what is numbered from 0 on."""
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(one) for key, one in value.items()}
    if inner and all(key.isdigit() or not key for key in inner):
        return list(inner.values())
    return inner


def check_form(call: str, form: Mapping[str, Any]) -> None:
    """Raise what the real API says of a field that is unknown or missing."""
    fields = FIELDS[call]
    unknown = sorted(form.keys() - fields.allowed)
    if unknown:
        raise invalid(f"Received unknown parameter: {unknown[0]}", unknown[0], "parameter_unknown")
    missing = sorted(name for name in fields.needed if not form.get(name))
    if missing:
        raise invalid(f"Missing required param: {missing[0]}.", missing[0], "parameter_missing")


def amount_in(form: Mapping[str, Any], *, default: int | None = None) -> int:
    """Return the amount of a form in the smallest unit."""
    text = form.get("amount", "" if default is None else str(default))
    if not str(text).isdigit():
        raise invalid(f"Invalid integer: {text}", "amount", "parameter_invalid_integer")
    amount = int(text)
    if not 1 <= amount <= MOST_FEN:
        code = "amount_too_small" if amount < 1 else "amount_too_large"
        raise invalid("This value must be greater than or equal to 1.", "amount", code)
    return amount


def check_currency(form: Mapping[str, Any]) -> None:
    """Raise what the real API says of another currency than ours."""
    if form.get("currency") != CURRENCY:
        raise invalid(f"Invalid currency: {form.get('currency')}.", "currency", "invalid_currency")


def invalid(message: str, param: str | None, code: str, *, status: int = 400) -> SandboxRefusal:
    return SandboxRefusal(
        status, type="invalid_request_error", message=message, param=param, code=code
    )


def no_such(what: str, found: str, *, param: str = "id") -> SandboxRefusal:
    return invalid(f"No such {what}: '{found}'", param, "resource_missing", status=404)
