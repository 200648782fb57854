"""Files of drafts: to whose they are attached, what stays with a version, what is cleaned away."""

import hashlib
import io
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from catalog.attachments.attaching import MOST_FILES, attach, detach, expect_file
from catalog.attachments.checking import check_files
from catalog.attachments.models import Attachment, StoredFile
from catalog.attachments.reading import files_of, readable_file
from catalog.attachments.sweeping import sweep_files
from catalog.attachments.vault import Vault, open_vault
from catalog.cases import case
from catalog.criteria import Change, Depth
from catalog.models import Version
from catalog.resources import record_catalogue
from catalog.submissions import submit
from catalog.takedowns import Ground, take_down
from kernel.actors import VISITOR, Role
from kernel.errors import (
    AttachmentBusy,
    AttachmentNameTaken,
    Conflict,
    InvalidInput,
    NotFound,
    NothingChanged,
    TooManyAttachments,
)
from kernel.trail import TrailRow
from tests.support.admission_builders import Desk, a_desk, a_self_check
from tests.support.builders import a_person, a_school, took
from tests.support.settlement_builders import SYSTEM

FIRST, SECOND = "11" * 32, "22" * 32


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def attached(
    desk: Desk, version_id, *, digest: str = FIRST, name: str = "课件.pdf", purpose: str = "content"
):
    """Have the firm's manager attach a file that is stored already."""
    with desk.units(desk.manager) as unit:
        expect_file(
            unit,
            version_id,
            name=name,
            digest=digest,
            size_bytes=10,
            media_type="application/pdf",
        )
        return attach(unit, version_id, name=name, digest=digest, purpose=purpose)


def names(desk: Desk, version_id) -> list[str]:
    with desk.units(SYSTEM) as unit:
        return [one.name for one in files_of(unit, [version_id]).get(version_id, [])]


def test_a_file_stays_with_its_version_and_is_carried_on_to_the_next(desk):
    """R4: what was submitted keeps its files; the next draft begins with them."""
    first = desk.draft()
    kept = attached(desk, first)
    with desk.units(desk.manager) as unit:
        submit(unit, first, a_self_check())
    desk.decided(first)
    second = desk.draft(title="新题目")
    attached(desk, second, digest=SECOND, name="练习.pdf")

    assert names(desk, first) == ["课件.pdf"]
    assert names(desk, second) == ["练习.pdf", "课件.pdf"]
    with pytest.raises(Conflict), desk.units(desk.manager) as unit:
        detach(unit, first, kept)
    with pytest.raises(Conflict):
        attached(desk, first, name="后来.pdf")


def test_a_catalogue_that_comes_as_a_file_keeps_what_is_attached(desk):
    first = desk.draft()
    attached(desk, first)
    with desk.units(desk.manager) as unit:
        submit(unit, first, a_self_check())
    desk.decided(first)
    with desk.units(desk.manager) as unit:
        took(record_catalogue(unit, [desk.row(title="换了标题")]))
        second = unit.session.scalars(select(Version.id).where(Version.number == 2)).one()

    assert names(desk, second) == ["课件.pdf"]


def test_files_that_change_are_content_and_reviewed_in_full(desk):
    """R14: the same words with another file is another content."""
    first = desk.draft()
    attached(desk, first)
    with desk.units(desk.manager) as unit:
        submit(unit, first, a_self_check())
    desk.decided(first)
    second = desk.draft()
    with pytest.raises(NothingChanged), desk.units(desk.manager) as unit:
        submit(unit, second, a_self_check())
    with desk.units(desk.manager) as unit:
        carried = unit.session.scalars(
            select(Attachment.id).where(Attachment.version_id == second)
        ).one()
        detach(unit, second, carried)
    attached(desk, second, digest=SECOND)

    with desk.units(desk.manager) as unit:
        found = case(unit, second)
    assert found.changes == (Change.CONTENT,) and found.depth is Depth.FULL
    (one,) = found.differences
    assert (one.part, one.name) == ("files", "课件.pdf")
    assert (one.before["digest"], one.after["digest"]) == (FIRST, SECOND)


def test_names_are_unique_within_a_version_and_the_same_once_more_changes_nothing(desk):
    draft = desk.draft()
    kept = attached(desk, draft)

    assert attached(desk, draft) == kept
    with pytest.raises(AttachmentNameTaken):
        attached(desk, draft, digest=SECOND)
    with pytest.raises(InvalidInput):
        attached(desk, draft, name="另.pdf", purpose="secret")
    assert names(desk, draft) == ["课件.pdf"]


def test_a_version_has_so_many_files_and_no_more(desk):
    draft = desk.draft()
    for number in range(MOST_FILES):
        attached(desk, draft, name=f"{number}.pdf")

    with pytest.raises(TooManyAttachments):
        attached(desk, draft, name="多余.pdf")


def test_nobody_attaches_to_anothers_draft(desk):
    draft = desk.draft()
    for actor in (desk.other_manager, desk.first, VISITOR):
        with pytest.raises(NotFound), desk.units(actor) as unit:
            expect_file(
                unit,
                draft,
                name="x.pdf",
                digest=FIRST,
                size_bytes=1,
                media_type="application/pdf",
            )


def test_a_preview_is_everybodys_and_content_is_the_vendors_and_the_desks(desk):
    """R33: what is paid for is not given away beside the launch."""
    draft = desk.draft()
    content = attached(desk, draft)
    preview = attached(desk, draft, digest=SECOND, name="样章.pdf", purpose="preview")
    with desk.units(SYSTEM) as unit:
        teacher = a_person(unit, a_school(unit), [Role.TEACHER])
    everybody = (VISITOR, teacher, desk.other_manager)

    def reads(actor, attachment_id) -> bool:
        with desk.units(actor) as unit:
            try:
                return readable_file(unit, attachment_id).id == attachment_id
            except NotFound:
                return False

    assert [reads(one, preview) for one in (*everybody, desk.first, desk.manager)] == [
        *(False, False, False, False),
        True,
    ]
    with desk.units(desk.manager) as unit:
        submit(unit, draft, a_self_check())
    assert [reads(desk.first, one) for one in (content, preview)] == [True, True]
    desk.decided(draft)
    assert [reads(one, preview) for one in everybody] == [True, True, True]
    assert [reads(one, content) for one in everybody] == [False, False, False]
    assert reads(desk.manager, content)
    with desk.units(desk.third) as unit:
        take_down(unit, draft, ground=Ground.ERRORS, reason="有误")
    assert [reads(one, preview) for one in everybody] == [False, False, False]


def test_the_trail_names_what_was_attached_and_removed(desk):
    draft = desk.draft()
    kept = attached(desk, draft)
    with desk.units(desk.manager) as unit:
        detach(unit, draft, kept)
    with desk.units(SYSTEM) as unit:
        acts = unit.session.execute(
            select(TrailRow.act, TrailRow.facts["note"].as_string())
            .where(TrailRow.act.like("attachment.%"))
            .order_by(TrailRow.id)
        ).all()

    assert [tuple(one) for one in acts] == [
        ("attachment.added", "课件.pdf"),
        ("attachment.removed", "课件.pdf"),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM attachment",
        "UPDATE attachment SET name = 'other.pdf'",
        "TRUNCATE attachment",
        "UPDATE stored_file SET media_type = 'text/html'",
        "DELETE FROM stored_file",
        """INSERT INTO attachment SELECT gen_random_uuid(), version_id, 'more.pdf', purpose, digest,
        attached_by, attached_at FROM attachment""",
    ],
)
def test_the_database_keeps_the_files_of_what_was_submitted(desk, statement):
    draft = desk.draft()
    attached(desk, draft)
    with desk.units(desk.manager) as unit:
        submit(unit, draft, a_self_check())

    with pytest.raises(DBAPIError), desk.units(SYSTEM) as unit:
        unit.session.execute(text(statement))


def test_what_nothing_refers_to_is_dropped_a_day_later(desk, units, clock, settings):
    vault = open_vault(settings)
    draft = desk.draft()
    kept = attached(desk, draft)
    attached(desk, draft, digest=SECOND, name="练习.pdf")
    for digest in (FIRST, SECOND):
        vault.keep(digest, io.BytesIO(b"0123456789"))
    with desk.units(desk.manager) as unit:
        detach(unit, draft, kept)

    assert sweep_files(units, vault) == 0, "an upload may be on its way"
    clock.advance(timedelta(days=1, seconds=1))
    assert sweep_files(units, vault) == 1
    assert vault.size_of(FIRST) is None and vault.size_of(SECOND) == 10
    assert sweep_files(units, vault) == 0
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(StoredFile.digest)).all() == [SECOND]


def test_two_sweeps_beside_each_other_drop_nothing_that_came_in_again(desk, units, clock, settings):
    """Of two, one does nothing; else it could drop by a mark that the other has dealt with."""
    vault = open_vault(settings)
    draft = desk.draft()
    with desk.units(desk.manager) as unit:
        detach(unit, draft, attached(desk, draft))
    clock.advance(timedelta(days=2))

    class Overtaken(Vault):
        def drop(self, digest: str) -> None:
            assert sweep_files(units, vault) == 0
            with pytest.raises(AttachmentBusy):
                attached(desk, draft)
            super().drop(digest)

    assert sweep_files(units, Overtaken(vault.store)) == 1
    vault.keep(FIRST, io.BytesIO(b"0123456789"))
    assert attached(desk, draft) and sweep_files(units, vault) == 0
    assert vault.size_of(FIRST) == 10


def test_what_the_store_lost_or_altered_is_named(desk, units, settings):
    """Attached files are there, of their size, and as they were attached."""
    vault = open_vault(settings)
    content = b"what was admitted"
    digest = hashlib.sha256(content).hexdigest()
    draft = desk.draft()
    with desk.units(desk.manager) as unit:
        expect_file(
            unit, draft, name="a.pdf", digest=digest, size_bytes=len(content), media_type="x/y"
        )
        attach(unit, draft, name="a.pdf", digest=digest, purpose="content")

    def found(*, whole: bool) -> list[str]:
        return list(check_files(units, SYSTEM, vault, whole=whole))

    assert found(whole=False) == [
        f"stored file {digest}: is missing in the store, 17 bytes were attached"
    ]
    vault.keep(digest, io.BytesIO(content))
    assert found(whole=True) == []
    vault.keep(digest, io.BytesIO(content[::-1]))
    assert found(whole=False) == [] and "is not what was attached" in found(whole=True)[0]
    vault.keep(digest, io.BytesIO(content[:-1]))
    assert "has 16 bytes in the store" in found(whole=False)[0]


def test_a_sweep_that_stopped_goes_on_and_nothing_is_attached_meanwhile(
    desk, units, clock, settings
):
    """What was marked can't be attached to; its bytes and its row go with the next sweep."""
    vault = open_vault(settings)
    draft = desk.draft()
    with desk.units(desk.manager) as unit:
        detach(unit, draft, attached(desk, draft))
    with units(SYSTEM) as unit:
        unit.session.execute(text("UPDATE stored_file SET state = 'dropping'"))

    with pytest.raises(AttachmentBusy):
        attached(desk, draft)
    clock.advance(timedelta(days=2))
    assert sweep_files(units, vault) == 1
    assert attached(desk, draft)
