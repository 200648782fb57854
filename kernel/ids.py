"""Identifiers: time-ordered UUIDs (version 7), each table's kind kept apart by a NewType."""

from typing import NewType
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

OrganisationId = NewType("OrganisationId", UUID)
PersonId = NewType("PersonId", UUID)
LearnerId = NewType("LearnerId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)
TrailId = NewType("TrailId", UUID)
ResourceId = NewType("ResourceId", UUID)
VersionId = NewType("VersionId", UUID)
OfferId = NewType("OfferId", UUID)
AdmissionId = NewType("AdmissionId", UUID)
SelectionId = NewType("SelectionId", UUID)
FundingLineId = NewType("FundingLineId", UUID)
AgreementId = NewType("AgreementId", UUID)
SourceId = NewType("SourceId", UUID)
BatchId = NewType("BatchId", UUID)
LaunchId = NewType("LaunchId", UUID)
DeviceId = NewType("DeviceId", UUID)
StatementId = NewType("StatementId", UUID)
StatementLineId = NewType("StatementLineId", UUID)
AccountId = NewType("AccountId", UUID)
TransferId = NewType("TransferId", UUID)


def new_id() -> UUID:
    """Return a new UUIDv7: later ids sort after earlier ones, which keeps indexes dense."""
    return uuid7()


def new_learner_id() -> LearnerId:
    """Return a learner's random number (R29): version 4, which tells nothing, not even when."""
    return LearnerId(uuid4())
