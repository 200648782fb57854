"""How the text of a setting is read; each raises `ValueError` with what was expected instead."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

from kernel.errors import InvalidAmount
from kernel.money import parse_fen, parse_rate


def read_text(value: str) -> str:
    return value


def read_path(value: str) -> Path:
    return Path(value).expanduser().absolute()


def read_switch(value: str) -> bool:
    lowered = value.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError("expected yes or no")


def read_number(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"expected a whole number, not “{value}”") from None


def read_whole(value: str) -> int:
    number = read_number(value)
    if number < 0:
        raise ValueError("expected a number that is not negative")
    return number


def read_some(value: str) -> int:
    number = read_number(value)
    if number < 1:
        raise ValueError("expected a number of at least 1")
    return number


def read_bank_account(value: str) -> tuple[str, str, str, str]:
    parts = [part.strip() for part in value.split(";")] if value else [""] * 4
    if len(parts) != 4 or (value and not (parts[0] and parts[1] and parts[3])):
        raise ValueError("expected holder;bank;branch;number, the branch alone may be empty")
    return parts[0], parts[1], parts[2], parts[3]


def write_account(value: tuple[str, str, str, str]) -> str:
    return ";".join(value) if any(value) else ""


def read_port(value: str) -> int:
    number = read_number(value)
    if not 0 <= number <= 65535:
        raise ValueError("expected a port between 0 and 65535")
    return number


def read_share(value: str) -> Decimal:
    try:
        rate = parse_rate(value)
    except InvalidAmount as error:
        raise ValueError(str(error)) from None
    if rate > 1:
        raise ValueError("expected a share between 0 and 1")
    return rate


def read_hours(value: str) -> int:
    hours = read_number(value)
    if not 1 <= hours <= 24:
        raise ValueError("expected a number of hours between 1 and 24")
    return hours


def read_day_of_year(value: str) -> str:
    try:
        day = date.fromisoformat(f"2001-{value.strip()}")  # no leap year: the day is in every year
    except ValueError:
        raise ValueError("expected a day of every year, as MM-DD") from None
    return f"{day:%m-%d}"


def read_base_address(value: str) -> str:
    address = value.strip().rstrip("/")
    if address and not address.startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with http:// or https://")
    return address


def read_gateway(value: str) -> str:
    if value not in {"", "sandbox", "stripe", "none"}:
        raise ValueError("expected sandbox, stripe or none")
    return value


def read_yuan(value: str) -> int:
    try:
        return parse_fen(value)
    except InvalidAmount as error:
        raise ValueError(str(error)) from None


def read_megabytes(value: str) -> int:
    megabytes = read_number(value)
    if not 1 <= megabytes <= 100_000:
        raise ValueError("expected megabytes between 1 and 100000")
    return megabytes


def read_store(value: str) -> str:
    address = value.strip().rstrip("/")
    if address and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w./-]+)?", address):
        raise ValueError("expected s3://bucket or s3://bucket/prefix")
    return address


def read_locale(value: str) -> str:
    if value not in {"zh_CN", "en"}:
        raise ValueError("expected zh_CN or en")
    return value
