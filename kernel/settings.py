"""Settings: environment variables, read and checked once at start.

Each field of `Settings` is one variable; its metadata holds the name and the help that
docs/settings.md and `market doctor` show. A value that does not fit stops the start
with `Misconfigured`, naming the variable.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from kernel.errors import Misconfigured
from kernel.money import plain_yuan
from kernel.setting_values import (
    read_bank_account,
    read_base_address,
    read_day_of_year,
    read_gateway,
    read_hours,
    read_locale,
    read_megabytes,
    read_path,
    read_port,
    read_share,
    read_some,
    read_store,
    read_switch,
    read_text,
    read_whole,
    read_yuan,
    write_account,
)


def _setting(
    name: str,
    default: str,
    read: Callable[[str], Any],
    help_text: str,
    *,
    secret: bool = False,
    write: Callable[[Any], str] = str,
) -> Any:
    """Declare a setting; `write` is how a child process is told what `read` made of it."""
    return field(
        metadata={
            "name": name,
            "default": default,
            "read": read,
            "help": help_text,
            "secret": secret,
            "write": write,
        }
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All settings of one process. Build it with `Settings.load()`."""

    home: Path = _setting(
        "MARKET_HOME",
        "var",
        read_path,
        "Folder of the state: embedded database, exports, logs, secret key.",
    )
    database_url: str = _setting(
        "DATABASE_URL",
        "",
        read_text,
        "PostgreSQL 16 or later, as postgresql://…; empty: the embedded server in MARKET_HOME/pg.",
        secret=True,
    )
    celery_broker_url: str = _setting(
        "CELERY_BROKER_URL",
        "",
        read_text,
        "Broker of the background work (redis://… or amqp://…); empty: the database itself.",
        secret=True,
    )
    secret_key: str = _setting(
        "MARKET_SECRET_KEY",
        "",
        read_text,
        "Key under which person numbers are hashed; empty: made once and kept in "
        "MARKET_HOME/secret.key. Changing it orphans the roster.",
        secret=True,
    )
    host: str = _setting(
        "MARKET_HOST", "127.0.0.1", read_text, "Address on which the site listens."
    )
    port: int = _setting("MARKET_PORT", "8420", read_port, "Port on which the site listens.")
    demo: bool = _setting(
        "MARKET_DEMO",
        "no",
        read_switch,
        "Sample data with its demo accounts; `market run` on an empty embedded database turns it "
        "on. "
        "Refused unless MARKET_HOST is a loopback address.",
    )
    locale: str = _setting(
        "MARKET_LOCALE",
        "zh_CN",
        read_locale,
        "Language for a visitor whose browser asks for none: zh_CN or en.",
    )
    platform_fee_rate: Decimal = _setting(
        "MARKET_PLATFORM_FEE_RATE",
        "0.0500",
        read_share,
        "Platform's share of each bill, frozen into new agreements; may be 0.",
    )
    retention_rate: Decimal = _setting(
        "MARKET_RETENTION_RATE",
        "0.0500",
        read_share,
        "Share held back as quality retention, frozen into new agreements; may be 0.",
    )
    retention_months: int = _setting(
        "MARKET_RETENTION_MONTHS",
        "6",
        read_whole,
        "Months after the used month's end until the retention is released, frozen into new "
        "agreements.",
    )
    stop_at_ceiling: bool = _setting(
        "MARKET_STOP_AT_CEILING",
        "no",
        read_switch,
        "Whether nothing more is opened under an agreement once its ceiling is used by the running "
        "estimate, frozen into new agreements; no: use goes on, shown and unpaid.",
    )
    confirm_workdays: int = _setting(
        "MARKET_CONFIRM_WORKDAYS",
        "5",
        read_whole,
        "Working days after which a stated line that nobody disputed counts as confirmed.",
    )
    answer_workdays: int = _setting(
        "MARKET_ANSWER_WORKDAYS",
        "5",
        read_whole,
        "Working days a vendor has to answer a dispute; then the bureau may decide without it.",
    )
    decide_workdays: int = _setting(
        "MARKET_DECIDE_WORKDAYS",
        "10",
        read_whole,
        "Working days a bureau has to decide a dispute, from the answer on; later it is overdue.",
    )
    admit_days: int = _setting(
        "MARKET_ADMIT_DAYS",
        "30",
        read_whole,
        "Days within which a bureau promises to decide on a submitted version; what was decided "
        "within them is published of each bureau.",
    )
    remember_seconds: int = _setting(
        "MARKET_REMEMBER_SECONDS",
        "300",
        read_whole,
        "For how long a process keeps what is dear to reckon and the same for all its readers: "
        "evaluations, a vendor's trial ranking of today; 0: each time anew.",
    )
    due_days: int = _setting(
        "MARKET_DUE_DAYS",
        "30",
        read_whole,
        "Days after the last day for confirming until which a statement has to be paid.",
    )
    fiscal_close: str = _setting(
        "MARKET_FISCAL_CLOSE",
        "03-31",
        read_day_of_year,
        "Last day, in the following year, on which a fiscal year's books are open (MM-DD); after "
        "January's statement, which adjusts late use of December.",
    )
    trial_days: int = _setting(
        "MARKET_TRIAL_DAYS", "30", read_whole, "Most days that a free trial of a resource may last."
    )
    release_days: int = _setting(
        "MARKET_RELEASE_DAYS",
        "30",
        read_whole,
        "Days after an agreement's last day for use that comes late; then, its months being "
        "posted, what is left of its commitment is free again. Never longer than its year's books "
        "are open.",
    )
    public_url: str = _setting(
        "MARKET_PUBLIC_URL",
        "",
        read_base_address,
        "Address under which people reach the site, as on printed statements; "
        "empty: http:// with MARKET_HOST and MARKET_PORT.",
    )
    database_pool: int = _setting(
        "MARKET_DATABASE_POOL",
        "16",
        read_whole,
        "Connections each process may hold to the database.",
    )
    launch_hours: int = _setting(
        "MARKET_LAUNCH_HOURS",
        "4",
        read_hours,
        "Hours for which an opened resource may be used before it has to be opened again.",
    )
    usage_rate: int = _setting(
        "MARKET_USAGE_RATE",
        "600000",
        read_whole,
        "Events that one API key may report in a minute; 0: as many as it likes.",
    )
    gateway: str = _setting(
        "MARKET_GATEWAY",
        "",
        read_gateway,
        "What carries payments: stripe, sandbox (a gateway of practice, only on a loopback "
        "address) or none; empty: sandbox on a loopback address, none elsewhere.",
    )
    stripe_key: str = _setting(
        "MARKET_STRIPE_KEY", "", read_text, "Secret key of the account at Stripe.", secret=True
    )
    stripe_address: str = _setting(
        "MARKET_STRIPE_ADDRESS",
        "",
        read_base_address,
        "Address of Stripe's API; empty: Stripe's own.",
    )
    stripe_version: str = _setting(
        "MARKET_STRIPE_VERSION",
        "",
        read_text,
        "Version of Stripe's API; empty: the one that the SDK was made for.",
    )
    webhook_secret: str = _setting(
        "MARKET_WEBHOOK_SECRET",
        "",
        read_text,
        "Secret with which Stripe signs its messages to /webhooks/stripe.",
        secret=True,
    )
    webhook_connect_secret: str = _setting(
        "MARKET_WEBHOOK_CONNECT_SECRET",
        "",
        read_text,
        "Secret with which Stripe signs the messages of connected accounts, which it sends by an "
        "endpoint of its own to the same address; without it these are asked for.",
        secret=True,
    )
    webhook_tolerance_s: int = _setting(
        "MARKET_WEBHOOK_TOLERANCE_S",
        "300",
        read_whole,
        "Seconds by which a message of the gateway may be older than its arrival.",
    )
    gateway_calls: int = _setting(
        "MARKET_GATEWAY_CALLS",
        "4",
        read_some,
        "Calls to the gateway that one process makes at the same time.",
    )
    payout_minimum_fen: int = _setting(
        "MARKET_PAYOUT_MINIMUM",
        "1.00",
        read_yuan,
        "Yuan below which a payee's dues wait for a later payment run.",
        write=plain_yuan,
    )
    attachment_mb: int = _setting(
        "MARKET_ATTACHMENT_MB",
        "200",
        read_megabytes,
        "Megabytes that one file attached to a resource may have.",
    )
    attachment_macros: bool = _setting(
        "MARKET_ATTACHMENT_MACROS",
        "no",
        read_switch,
        "Whether documents that carry macros may be attached to resources.",
    )
    store: str = _setting(
        "MARKET_STORE",
        "",
        read_store,
        "Where attached files are kept: s3://bucket/prefix; empty: MARKET_HOME/attachments.",
    )
    store_endpoint: str = _setting(
        "MARKET_STORE_ENDPOINT",
        "",
        read_base_address,
        "Address of an S3-compatible store; empty: Amazon's own for the region.",
    )
    store_region: str = _setting(
        "MARKET_STORE_REGION", "us-east-1", read_text, "Region of the S3-compatible store."
    )
    store_key_id: str = _setting(
        "MARKET_STORE_KEY_ID", "", read_text, "Access key of the S3-compatible store.", secret=True
    )
    store_secret: str = _setting(
        "MARKET_STORE_SECRET", "", read_text, "Secret of MARKET_STORE_KEY_ID.", secret=True
    )
    bank_account: tuple[str, str, str, str] = _setting(
        "MARKET_BANK_ACCOUNT",
        "",
        read_bank_account,
        "The platform's own account, to which treasuries pay its fee: holder;bank;branch;number.",
        write=write_account,
    )
    session_hours: int = _setting(
        "MARKET_SESSION_HOURS",
        "12",
        read_whole,
        "Hours after which a signed-in person has to sign in again.",
    )

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read and check every setting; raise `Misconfigured` for the first that does not fit."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for one in fields(cls):
            name = one.metadata["name"]
            text = environ.get(name, "") or one.metadata["default"]
            try:
                values[one.name] = one.metadata["read"](text)
            except ValueError as error:
                raise Misconfigured(setting=name, reason=str(error)) from None
        known = {one.metadata["name"] for one in fields(cls)}
        for name in environ:
            if name.startswith("MARKET_") and name not in known:
                raise Misconfigured(setting=name, reason="there is no such setting")
        settings = cls(**values)
        settings._check()
        return settings

    def _check(self) -> None:
        if self.demo and not self.on_loopback:
            raise Misconfigured(
                setting="MARKET_DEMO",
                reason=f"demo accounts are refused on {self.host}, a public address",
            )
        if self.database_url and not self.database_url.startswith(("postgresql://", "postgres://")):
            raise Misconfigured(setting="DATABASE_URL", reason="only postgresql:// is served")
        if self.platform_fee_rate + self.retention_rate > 1:
            raise Misconfigured(
                setting="MARKET_RETENTION_RATE", reason="fee and retention together exceed 1"
            )

        if self.store and not (self.store_key_id and self.store_secret):
            raise Misconfigured(
                setting="MARKET_STORE",
                reason="it needs MARKET_STORE_KEY_ID and MARKET_STORE_SECRET",
            )
        if self.gateway == "sandbox" and not self.on_loopback:
            raise Misconfigured(
                setting="MARKET_GATEWAY",
                reason=f"the sandbox pays nobody and is refused on {self.host}, a public address",
            )
        if self.gateway == "stripe" and not (self.stripe_key and self.webhook_secret):
            raise Misconfigured(
                setting="MARKET_STRIPE_KEY",
                reason="Stripe needs this key and, for its messages, MARKET_WEBHOOK_SECRET",
            )

    @property
    def gateway_name(self) -> str:
        """What carries payments: sandbox | stripe | none."""
        return self.gateway or ("sandbox" if self.on_loopback else "none")

    @property
    def on_loopback(self) -> bool:
        return self.host in {"127.0.0.1", "localhost", "::1"}

    @property
    def site(self) -> str:
        """The address under which people reach the site, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def embedded(self) -> bool:
        return not self.database_url
