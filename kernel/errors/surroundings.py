"""The surroundings: settings, database, processes (500, 503)."""

from kernel.errors.base import MarketError


class Misconfigured(MarketError):
    status = 500
    code = "misconfigured"
    summary = "{setting}: {reason}."
    remedy = "See docs/settings.md."


class DatabaseUnavailable(MarketError):
    status = 503
    code = "database-unavailable"
    summary = "The database does not answer ({reason})."
    remedy = "Nothing was half-done: start it (market run, or your PostgreSQL) and repeat."


class OutOfSpace(DatabaseUnavailable):
    code = "out-of-space"
    summary = "The database has no space left ({reason})."
    remedy = "Nothing was half-done: free some space and repeat the command."


class EmbeddedUnavailable(MarketError):
    status = 503
    code = "embedded-unavailable"
    summary = "The embedded PostgreSQL can't run here ({reason})."
    remedy = "Name a PostgreSQL 16 or later in DATABASE_URL, or run as an ordinary user."


class AddressInUse(MarketError):
    status = 503
    code = "address-in-use"
    summary = "{host}:{port} can't be used ({reason})."
    remedy = "Stop what listens there (market stop), or choose another MARKET_PORT."


class AlreadyRunning(MarketError):
    status = 503
    code = "already-running"
    summary = "The {name} process of {home} already runs (process {pid})."
    remedy = "End it first: market stop."


class ProcessFailed(MarketError):
    status = 503
    code = "process-failed"
    summary = "The {name} process ended again and again (status {exit_status})."
    remedy = "Its last words are in {log}."


class SchemaOutdated(MarketError):
    status = 503
    code = "schema-outdated"
    summary = "The database ({place}) is at revision {found}, this version needs {needed}."
    remedy = (
        "Run: market db upgrade. If that is not your installation, go to its folder or name it in "
        "MARKET_HOME."
    )


class NoGateway(MarketError):
    status = 503
    code = "no-gateway"
    summary = "This installation has no payment gateway."
    remedy = "Set MARKET_GATEWAY, or pay by orders of the treasury."


class GatewayUnavailable(MarketError):
    status = 503
    code = "gateway-unavailable"
    summary = "The payment gateway does not answer ({reason})."
    remedy = "Nothing is lost or paid twice: repeat the command later."
