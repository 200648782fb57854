"""Which gateway an installation has: Stripe, the sandbox on a machine of its own, or none.

Loaded by name when it is asked for: the SDK takes longer to load than most commands run.
"""

from importlib import import_module
from typing import Any, Final

from kernel.errors import NoGateway
from kernel.identity.secret import derived_key
from kernel.unit import Units
from settlement.payments.gateway import Gateway

SANDBOX_KEY: Final = "sk_test_sandbox"


def open_gateway(units: Units) -> Gateway:
    """Return the gateway that the settings name; raise `NoGateway` if there is none."""
    settings = units.settings
    if settings.gateway_name == "none":
        raise NoGateway()
    stripe = import_module("settlement.payments.stripe_gateway").StripeGateway
    if settings.gateway_name == "stripe":
        gateway: Gateway = stripe.connect(
            settings, key=settings.stripe_key, secret=settings.webhook_secret
        )
        return gateway
    sandbox = open_sandbox(units)
    practice: Gateway = stripe.connect(
        settings, key=SANDBOX_KEY, secret=sandbox.secret, session=sandbox.session()
    )
    return practice


def open_sandbox(units: Units) -> Any:
    """Return the sandbox over the installation's own database."""
    sandbox: Any = import_module("settlement.payments.sandbox").Sandbox
    secret = f"whsec_{derived_key(units.settings, 'sandbox messages').hex()}"
    return sandbox(units, secret)
