"""`market key` and the sources that organisations report through."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from kernel.actors import VISITOR, Role
from kernel.identity.api_keys import key_holder
from market.cli.main import FAILED
from settlement.metering.models import UsageSource
from tests.support.builders import PASSWORD, a_person
from tests.support.settlement_builders import SYSTEM, a_market


def pem(tmp_path, private_key):
    path = tmp_path / "public.pem"
    public = private_key.public_key()
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def test_a_key_is_made_listed_and_revoked(market, units, tmp_path):
    vendor = a_market(units).vendor
    private_key = Ed25519PrivateKey.generate()
    arguments = ("--organisation", vendor.code, "--public-key", pem(tmp_path, private_key))
    made = market("key", "create", *arguments, "--json").json
    with units(VISITOR) as unit:
        holder = key_holder(unit, made["key"])
    assert holder.actor.organisation_code == vendor.code
    assert holder.actor.roles == {Role.USAGE_REPORTER}
    assert holder.public_key == private_key.public_key().public_bytes_raw()

    (listed,) = market("key", "list", "--json").json
    assert (listed["prefix"], listed["signs"], listed["revoked_at"]) == (made["prefix"], True, None)
    assert made["key"] not in market("key", "list").out

    assert market("key", "revoke", made["prefix"]).status == 0
    assert market("key", "revoke", made["prefix"]).status == FAILED
    with units(VISITOR) as unit:
        assert key_holder(unit, made["key"]) is None


def test_only_an_ed25519_key_is_taken(market, units, tmp_path):
    vendor = a_market(units).vendor
    other = pem(tmp_path, X25519PrivateKey.generate())
    for path in (other, __file__):
        found = market("key", "create", "--organisation", vendor.code, "--public-key", path)
        assert found.status == FAILED and "Ed25519" in found.err


def test_a_source_is_admitted_for_a_vendor(market, units):
    built = a_market(units)
    with units(SYSTEM) as unit:
        a_person(unit, built.bureau, [Role.ADMISSION], login="reviewer", password=PASSWORD)
    arguments = ("source", "admit", "acme", "--name", "ACME", "--as", "reviewer")
    assert market(*arguments, "--trust", "ticketed").status == FAILED
    done = market(*arguments, "--trust", "ticketed", "--organisation", built.vendor.code)
    assert done.status == 0, done.err
    with units(SYSTEM) as unit:
        source = unit.session.scalars(select(UsageSource).where(UsageSource.code == "acme")).one()
    assert (source.trust, source.organisation_id) == ("ticketed", built.vendor.id)
    assert market(*arguments, "--trust", "ticketed", "--organisation", "nobody").status == FAILED
