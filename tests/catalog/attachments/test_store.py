"""The store of files: a folder and an S3-compatible bucket behave the same."""

import io
import socket
from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest
from moto.server import ThreadedMotoServer

from catalog.attachments.vault import PART_BYTES, Vault, open_vault
from kernel.errors import Misconfigured, StoredFileMissing, StoreUnavailable
from kernel.settings import Settings

DIGEST, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture(scope="module")
def bucket_address() -> Iterator[str]:
    """The address of an S3-compatible store on loopback with a bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket="resources")
    client.close()
    yield address
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def vault(request: pytest.FixtureRequest, settings: Settings) -> Vault:
    if request.param == "folder":
        return open_vault(settings)
    address = request.getfixturevalue("bucket_address")
    return open_vault(
        replace(
            settings,
            store="s3://resources/county",
            store_endpoint=address,
            store_key_id="key",
            store_secret="secret",
        )
    )


def read(vault: Vault, digest: str, **range_: int) -> bytes:
    return b"".join(vault.chunks(digest, name="文件", **range_))


def test_what_is_kept_is_read_again_whole_and_in_part(vault):
    content = bytes(range(256)) * 100
    vault.keep(DIGEST, io.BytesIO(content))

    assert read(vault, DIGEST) == content
    assert read(vault, DIGEST, start=10, length=5) == content[10:15]
    assert vault.size_of(DIGEST) == len(content)


def test_a_file_larger_than_a_part_goes_in_pieces(vault):
    content = b"0123456789abcdef" * (PART_BYTES // 16 + 10)
    vault.keep(DIGEST, io.BytesIO(content))

    assert vault.size_of(DIGEST) == len(content)
    assert read(vault, DIGEST, start=PART_BYTES - 2, length=4) == content[PART_BYTES - 2 :][:4]


def test_the_same_file_twice_is_kept_once(vault):
    for _ in range(2):
        vault.keep(DIGEST, io.BytesIO(b"same"))

    assert read(vault, DIGEST) == b"same"


def test_what_is_dropped_is_gone_and_may_be_dropped_again(vault):
    vault.keep(OTHER, io.BytesIO(b"x"))
    vault.drop(OTHER)
    vault.drop(OTHER)

    assert vault.size_of(OTHER) is None
    with pytest.raises(StoredFileMissing) as missing:
        read(vault, OTHER)
    assert OTHER in str(missing.value)


def test_a_bucket_that_does_not_answer_is_said(settings):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    silent = replace(
        settings,
        store="s3://resources",
        store_endpoint=f"http://127.0.0.1:{port}",
        store_key_id="key",
        store_secret="secret",
    )
    with pytest.raises(StoreUnavailable) as found:
        open_vault(silent).keep(DIGEST, io.BytesIO(b"x"))
    assert found.value.status == 503


@pytest.mark.parametrize("address", ["ftp://x", "s3://", "s3://Bucket", "s3://a b/c"])
def test_a_store_that_can_not_be_is_refused_at_the_start(address):
    with pytest.raises(Misconfigured, match="MARKET_STORE"):
        Settings.load({"MARKET_SECRET_KEY": "test", "MARKET_STORE": address})


def test_a_bucket_needs_its_key():
    with pytest.raises(Misconfigured, match="MARKET_STORE_KEY_ID"):
        Settings.load({"MARKET_SECRET_KEY": "test", "MARKET_STORE": "s3://resources"})
