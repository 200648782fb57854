"""The doctor names what is wrong and what to do, and changes nothing."""

from pathlib import Path

from kernel.settings import Settings
from market.doctor import run_checks


def findings(settings: Settings) -> dict:
    return {check.name: check for check in run_checks(settings)}


def test_migrated_database_is_well(settings):
    checks = findings(settings)

    assert [check for check in checks.values() if not check.ok] == []
    assert set(checks) == {
        *("python", "disk", "secret key", "database", "schema", "broker", "files")
    }


def test_embedded_server_that_is_down_is_well_and_stays_down(tmp_path: Path):
    home = tmp_path / "home"
    checks = findings(Settings.load({"MARKET_HOME": str(home)}))

    assert checks["database"].ok
    assert not home.exists()


def test_what_does_not_answer_is_said_with_a_remedy(tmp_path: Path):
    checks = findings(
        Settings.load(
            {
                "MARKET_HOME": str(tmp_path),
                "DATABASE_URL": "postgresql://127.0.0.1:1/nowhere",
                "CELERY_BROKER_URL": "amqp://127.0.0.1:1",
            }
        )
    )

    assert {name for name, check in checks.items() if not check.ok} == {"database", "broker"}
    assert "DATABASE_URL" in checks["database"].remedy
    assert "CELERY_BROKER_URL" in checks["broker"].remedy


def test_secret_key_that_others_may_read_is_reported(tmp_path: Path):
    key = tmp_path / "secret.key"
    key.write_text("secret")
    key.chmod(0o644)
    check = findings(Settings.load({"MARKET_HOME": str(tmp_path)}))["secret key"]

    assert not check.ok
    assert check.remedy == f"Run: chmod 600 {key}"


def test_a_bucket_that_does_not_answer_is_said_with_a_remedy(tmp_path: Path):
    settings = Settings.load(
        {
            "MARKET_HOME": str(tmp_path),
            "MARKET_STORE": "s3://resources",
            "MARKET_STORE_ENDPOINT": "http://127.0.0.1:1",
            "MARKET_STORE_KEY_ID": "key",
            "MARKET_STORE_SECRET": "secret",
        }
    )
    check = findings(settings)["files"]

    assert not check.ok and check.finding
    assert "MARKET_STORE" in check.remedy
