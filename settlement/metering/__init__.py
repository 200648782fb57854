"""From a report of use to a counted use: ingest, identity, quarantine, seal, counting."""
