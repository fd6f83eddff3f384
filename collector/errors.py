"""The error tree of both packages.

Expected outcomes (a refused batch) are values, `wire.DropReason`; what is drawn here is a bug or a broken dependency,
or a request that a person can correct::

    JalkiError
    ├── SettingsError        an environment variable has a value that cannot be used
    ├── EmbeddedError        the embedded Postgres cannot be started or stopped
    │   └── FolderInUseError another process holds the data folder
    ├── ProcessError         a child process cannot do its work
    ├── AddressError         the address to listen on is taken or not of this machine
    ├── StorageError         Postgres refused or could not be reached
    │   ├── MigrationError   the schema cannot be brought to this version
    │   ├── BusyError        too many wait for Postgres already; the same may succeed a second later
    │   └── OverdueError     Postgres did not say in time what became of a flush
    ├── SpoolError           the disk spool cannot be used
    │   └── SpoolFullError   it takes nothing now; it may a second later
    └── RequestError         a caller asked for something that cannot be answered
        ├── NotFoundError    the site, page or date range is not known
        ├── InvalidError     a parameter has no meaning
        └── ForbiddenError   the caller's token or session does not allow it
"""


class JalkiError(Exception):
    """Something failed; the message says what to do about it."""


class SettingsError(JalkiError):
    """An environment variable has a value that cannot be used."""


class EmbeddedError(JalkiError):
    """The embedded Postgres cannot be started or stopped."""


class FolderInUseError(EmbeddedError):
    """Another process holds the data folder."""


class ProcessError(JalkiError):
    """A child process cannot do its work."""


class AddressError(JalkiError):
    """The address to listen on is taken or does not belong to this machine."""


class StorageError(JalkiError):
    """Postgres refused the statement or could not be reached."""


class MigrationError(StorageError):
    """The schema cannot be brought to this version."""


class BusyError(StorageError):
    """Too many wait for Postgres already; the same may succeed a second later."""


class OverdueError(StorageError):
    """Postgres did not say in time what became of a flush."""


class SpoolError(JalkiError):
    """The disk spool cannot be used."""


class SpoolFullError(SpoolError):
    """The disk spool takes nothing now: it has reached its limit, or the disk refuses."""


class RequestError(JalkiError):
    """A caller asked for something that cannot be answered; `status` is the HTTP status of the answer."""

    status = 400

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NotFoundError(RequestError):
    """The site, page or thing asked for is not known."""

    status = 404


class InvalidError(RequestError):
    """A parameter has no meaning."""

    status = 400


class ForbiddenError(RequestError):
    """The caller is not signed in, or its token does not allow this."""

    status = 403
