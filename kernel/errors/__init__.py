"""Every error the product raises on purpose, as one tree, by what stands against the request.

An error carries the facts a person needs to act on it. Its `code` (kebab-case) and `status` are
stable and public; `summary` and `remedy` are message ids, translated and filled at the edge.
"""

# ruff: noqa: F403 - one tree of errors, read under one name
from kernel.errors.access import *
from kernel.errors.admission import *
from kernel.errors.attachments import *
from kernel.errors.base import *
from kernel.errors.conflicts import *
from kernel.errors.evaluation import *
from kernel.errors.files import *
from kernel.errors.inputs import *
from kernel.errors.payments import *
from kernel.errors.standings import *
from kernel.errors.surroundings import *
