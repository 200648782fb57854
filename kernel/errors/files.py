"""Files that can't be read, written or imported (422)."""

from kernel.errors.base import MarketError


class ImportFailed(MarketError):
    status = 422
    code = "import-failed"
    summary = "{file} can't be imported."


class UnreadableFile(ImportFailed):
    code = "unreadable-file"
    summary = "{file} can't be read: {reason}."
    remedy = "Check the path and the permissions."


class UnreadableFormat(UnreadableFile):
    code = "unreadable-format"
    summary = "{file} can't be read: {reason}."
    remedy = (
        "Save it anew as CSV (UTF-8), XLSX or JSON lines (.jsonl); quotation marks stand in pairs."
    )


class UnwritableFile(ImportFailed):
    code = "unwritable-file"
    summary = "{file} can't be written: {reason}."
    remedy = "Check the path and the permissions."


class OverwritesInput(ImportFailed):
    code = "overwrites-input"
    summary = "The rejects can't be written to {file}: it is what is being imported."
    remedy = "Name another file."


class EmptyFile(ImportFailed):
    code = "empty-file"
    summary = "{file} is empty."
    remedy = "Its first row has to name the columns: market import {kind} --template."


class RepeatedColumn(ImportFailed):
    code = "repeated-column"
    summary = "The header row of {file} names the column “{column}” twice."
    remedy = "Remove or rename one of the two."


class UnknownEncoding(ImportFailed):
    code = "unknown-encoding"
    summary = "{file} is neither UTF-8 nor GB18030 (first bad byte at offset {offset})."
    remedy = "Save it as “CSV UTF-8” and import it again."


class MissingColumns(ImportFailed):
    code = "missing-columns"
    summary = "{file} lacks the column(s) {columns}."
    remedy = "Its header row has: {found}. Rename the columns, or map them with --map FILE.toml."


class InvalidMap(ImportFailed):
    code = "invalid-map"
    summary = "The map {file} is not valid: {reason}."
    remedy = "See docs/guides/import.md."


class MissingSource(ImportFailed):
    code = "missing-source"
    summary = "Usage needs its source."
    remedy = "Name it with --source CODE, or in the map: [usage] source."


class RowsRejected(ImportFailed):
    code = "rows-rejected"
    summary = "{rejected} of {received} rows of {file} were rejected, nothing was imported."
    remedy = "Mend them (--rejects FILE.csv lists all) and import the file again."


class InvalidPackage(ImportFailed):
    code = "invalid-package"
    summary = "{file} is not a whole classroom package ({reason})."
    remedy = "Nothing was taken in: have the box write it anew."


class PackageSignatureWrong(ImportFailed):
    code = "package-signature-wrong"
    summary = "The signature of {file} does not fit the key of the classroom box {device}."
    remedy = "Nothing was taken in: fetch the package from the box again, unchanged."
