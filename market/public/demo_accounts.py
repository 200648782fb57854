"""What the sign-in page knows of the demo accounts: shown only where the settings say demo."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoAccount:
    """An account of the sample data; `who` says in Chinese whose desk one sits at."""

    login: str
    password: str
    who: str


DemoAccounts = tuple[DemoAccount, ...]
