"""Files that are not kept (422, 409, 413), and a store of files that does not answer (503)."""

from kernel.errors.base import MarketError


class AttachmentRefused(MarketError):
    """A file that is not kept; each reason names the file and what to do."""

    status = 422
    code = "attachment-refused"
    summary = "{file} can't be attached."


class AttachmentMissing(AttachmentRefused):
    code = "attachment-missing"
    summary = "No file came with the form."
    remedy = "Choose a file and send it again, as multipart/form-data under the name “file”."


class AttachmentEmpty(AttachmentRefused):
    code = "attachment-empty"
    summary = "{file} is empty."
    remedy = "Check that it was saved completely, and attach it again."


class AttachmentTooLarge(AttachmentRefused):
    status = 413
    code = "attachment-too-large"
    summary = "{file} is larger than {most_mb} MB."
    remedy = (
        "Nothing was taken in: split or compress it, or name the address where it is opened. The "
        "operator sets the limit (MARKET_ATTACHMENT_MB)."
    )


class AttachmentExecutable(AttachmentRefused):
    code = "attachment-executable"
    summary = "{file} is or holds a program ({found}), whatever its name says."
    remedy = "Programs are not attached: name the address where the app is opened with a ticket."


class AttachmentActive(AttachmentRefused):
    code = "attachment-active"
    summary = "{file} holds active content ({found})."
    remedy = "Save it without scripts and references to other places, or as PNG or PDF."


class AttachmentBomb(AttachmentRefused):
    code = "attachment-bomb"
    summary = (
        "{file} unpacks to more than it may: {most_mb} MB, 10,000 files, archives in archives."
    )
    remedy = "Attach the files one by one, or pack fewer of them."


class AttachmentMacros(AttachmentRefused):
    code = "attachment-macros"
    summary = "{file} carries macros."
    remedy = "Save it without macros, as .docx, .pptx or .xlsx."


class AttachmentSealed(AttachmentRefused):
    code = "attachment-sealed"
    summary = "{file} is encrypted ({inner}) and can't be looked into."
    remedy = "Save it without a password."


class AttachmentPackedOtherwise(AttachmentRefused):
    code = "attachment-packed-otherwise"
    summary = "{file} is packed by a method that is not unpacked here ({inner}: {method})."
    remedy = "Pack it as an ordinary ZIP (Deflate)."


class AttachmentBroken(AttachmentRefused):
    code = "attachment-broken"
    summary = "{file} is damaged: {reason}."
    remedy = "Open and save it anew with its program, and attach it again."


class AttachmentTypeRefused(AttachmentRefused):
    code = "attachment-type-refused"
    summary = "{file} is of no type that may be attached."
    remedy = "Attach one of: {expected}."


class AttachmentMisnamed(AttachmentRefused):
    code = "attachment-misnamed"
    summary = "{file} is {found} by its content, which its name does not say."
    remedy = "Give it the ending it deserves ({expected}), or save it as what its name says."


class AttachmentNameTaken(AttachmentRefused):
    status = 409
    code = "attachment-name-taken"
    summary = "A file named {file} is attached to this version already."
    remedy = "Remove it first, or give this one another name."


class TooManyAttachments(AttachmentRefused):
    status = 409
    code = "too-many-attachments"
    summary = "{file} would be more than the {most} files that a version may have."
    remedy = "Pack some of them into one ZIP archive."


class AttachmentBusy(AttachmentRefused):
    status = 409
    code = "attachment-busy"
    summary = "{file} is just being cleaned away, since nothing referred to it."
    remedy = "Attach it again in a minute."


class StoreUnavailable(MarketError):
    status = 503
    code = "store-unavailable"
    summary = "The store of files does not answer ({reason})."
    remedy = "Nothing was half-done: check MARKET_STORE and its access, and repeat."


class StoredFileMissing(StoreUnavailable):
    code = "stored-file-missing"
    summary = "The store of files does not hold {file} (SHA-256 {digest})."
    remedy = "Restore the store of files from its backup."
