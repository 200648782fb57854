"""Addresses that vendors give of previews: what may stand as a link, on pages and in answers."""

from urllib.parse import urlsplit


def is_web_address(address: str) -> bool:
    """Whether a browser that follows an address opens a page of the web, and runs nothing."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(host)
