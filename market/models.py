"""All tables in one place, for what needs the whole schema: migrations and their drift check."""

import catalog.admission_models
import catalog.attachments.models
import catalog.listing_models
import catalog.models
import catalog.pack_models
import catalog.sharing_models
import kernel.http.models
import kernel.identity.models
import kernel.trail
import procurement.models
import procurement.proposal_models
import settlement.agreement_models
import settlement.budget_models
import settlement.credit_models
import settlement.dispute_models
import settlement.early_use_models
import settlement.evaluation.models
import settlement.ledger.models
import settlement.metering.models
import settlement.models
import settlement.payment_models
import settlement.payments.sandbox_models
import settlement.payout_models
import settlement.ranking.models
import settlement.rating_models

ALL = (
    kernel.identity.models,
    kernel.trail,
    kernel.http.models,
    catalog.models,
    catalog.pack_models,
    catalog.admission_models,
    catalog.attachments.models,
    catalog.attachments.models,
    catalog.sharing_models,
    catalog.listing_models,
    settlement.models,
    settlement.rating_models,
    settlement.agreement_models,
    settlement.dispute_models,
    settlement.early_use_models,
    settlement.evaluation.models,
    settlement.payment_models,
    settlement.payout_models,
    settlement.payments.sandbox_models,
    settlement.budget_models,
    settlement.credit_models,
    settlement.metering.models,
    settlement.ranking.models,
    settlement.ledger.models,
    procurement.models,
    procurement.proposal_models,
)
