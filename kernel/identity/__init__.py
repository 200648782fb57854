"""Who is who: regions, organisations, people, roster and census, roles, sessions, API keys."""
