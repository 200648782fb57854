"""How a vendor tells the gateway what it still needs to know: by a page of the gateway's own."""

from typing import Any

from litestar import Response

from kernel.errors import NotFound
from kernel.http.pages import Form, Page, redirect
from kernel.unit import Units
from settlement.payments.opening import open_gateway
from settlement.payments.parties import account_at_gateway, answering
from vendor_portal.payouts import PAYOUTS


class OnboardingForm(Form, frozen=True):
    """Nothing but who sends it."""


def account_of(page: Page) -> str:
    """Return the vendor's account at the gateway, or raise `NotFound`."""
    found = account_at_gateway(page.unit, page.actor.organisation_id)
    if found is None:
        raise NotFound(what="account", key=page.actor.organisation_code)
    return found


def begin_onboarding(units: Units, account: str) -> Response[Any]:
    """Go on to the gateway's page; it leads back to the vendor's payouts."""
    with answering():
        back = f"{units.settings.site}{PAYOUTS}"
        return redirect(open_gateway(units).onboarding_address(account, back=back))
