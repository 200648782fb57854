"""All tables in one place, for what needs the whole schema: migrations and their drift check."""

import catalog.models
import kernel.identity.models
import kernel.trail
import procurement.models
import settlement.ledger.models
import settlement.metering.models
import settlement.models

ALL = (
    kernel.identity.models,
    kernel.trail,
    catalog.models,
    settlement.models,
    settlement.metering.models,
    settlement.ledger.models,
    procurement.models,
)
