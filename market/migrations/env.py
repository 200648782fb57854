"""Alembic's entry: runs on a connection that the caller hands over, or on DATABASE_URL."""

import os
import re

from alembic import context
from sqlalchemy import Connection

from kernel.db import Base, open_engine
from market import models

PARTITION = re.compile(r"^usage_event_y\d{4}m\d{2}$")
BROKER_TABLES = {"kombu_queue", "kombu_message"}

config = context.config
target = Base.metadata
assert models.ALL


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out the monthly partitions, made as months come, and the embedded broker's tables."""
    if kind != "table" or name is None:
        return True
    return not PARTITION.match(name) and name not in BROKER_TABLES


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=target,
        include_name=is_ours,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with open_engine(os.environ["DATABASE_URL"], pool_size=1).connect() as connection:
        run(connection)
        connection.commit()
