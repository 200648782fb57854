"""What every package stands on: money, time, ids, errors, the database, identity, trail, web."""
