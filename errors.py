"""One tree of errors. Each says what happened, where, why, and what to do.

HomeiqError
├── SettingsError          a setting is missing, unknown or cannot be read          operator, exit 2
├── LogError
│   ├── LogLocked          another process appends to this log                      operator
│   ├── LogNotWritable     the disk is full, read-only or failing                   retry
│   ├── LogClosed          appended after close                                     operator
│   ├── LogCorrupt         bytes that are not what was written                      corrupt
│   ├── LogTooNew          a newer homeiq wrote it                                  operator
│   ├── BackupUnreachable  the place of a backup does not answer, or refuses        retry
│   └── BackupRefused      what lies there is not a backup of this log              operator
├── SourceError
│   ├── SourceUnreachable  no connection, or it broke                               retry
│   ├── SourceBusy         429, 5xx: it asks to be left alone for a while           retry
│   ├── SourceIncomplete   some of what it was asked for came, some did not         retry
│   ├── SourceRefused      any other answer that is not what was asked for          operator
│   ├── TokenRefused       the source does not accept the token                     operator
│   ├── NotHomeAssistant   something else answers there                             operator
│   └── CommandRefused     a single command is not carried out                      retry
├── TargetError
│   ├── TargetUnreachable  no connection, 5xx, time-out                             retry
│   ├── TargetBusy         429, 503 with Retry-After                                retry
│   ├── TargetRefused      401, 403, 404: a token, org or bucket is wrong           operator
│   │   └── BucketMissing  it knows no such organisation, bucket or database        operator
│   ├── TargetLocked       another process writes to this target                    operator
│   ├── BatchTooLarge      413: smaller batches are taken                           retry
│   └── LinesRefused       400, 422: lines which the target does not take           corrupt
├── ServiceError           the service manager, or an account, does not do its part    operator
├── Stopped                asked to end before it was done                          retry
└── UsageError             a command cannot be carried out as given                 operator, exit 2
"""

from __future__ import annotations

from enum import Enum

__all__ = [
    "Kind",
    "HomeiqError",
    "SettingsError",
    "LogError",
    "LogLocked",
    "LogNotWritable",
    "LogClosed",
    "LogCorrupt",
    "LogTooNew",
    "BackupUnreachable",
    "BackupRefused",
    "SourceError",
    "SourceUnreachable",
    "SourceBusy",
    "SourceIncomplete",
    "SourceRefused",
    "TokenRefused",
    "NotHomeAssistant",
    "CommandRefused",
    "TargetError",
    "TargetUnreachable",
    "TargetBusy",
    "TargetRefused",
    "BucketMissing",
    "TargetLocked",
    "BatchTooLarge",
    "LinesRefused",
    "ServiceError",
    "Stopped",
    "UsageError",
]


class Kind(Enum):
    """Who can mend it: time (retry), a person (operator), or nobody, so that it is set aside (corrupt)."""

    RETRY = "retry"
    OPERATOR = "operator"
    CORRUPT = "corrupt"


class HomeiqError(Exception):
    """The root: `message` is one sentence, `hint` is what to do, `place` is the file, URL or setting it is about."""

    kind = Kind.OPERATOR
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class SettingsError(HomeiqError):
    """A setting is missing, unknown or cannot be read."""

    exit_code = 2


class UsageError(HomeiqError):
    """A command cannot be carried out as it was given."""

    exit_code = 2


class LogError(HomeiqError):
    """Something about the event log."""


class LogLocked(LogError):
    """Another process appends to this log."""


class LogNotWritable(LogError):
    """The log's disk is full, read-only or failing; what was given is not durable."""

    kind = Kind.RETRY


class LogClosed(LogError):
    """The log was closed before."""


class LogCorrupt(LogError):
    """Bytes on disk are not what was written."""

    kind = Kind.CORRUPT


class LogTooNew(LogError):
    """A file of the log was written by a newer homeiq, in a format that this one does not know."""


class BackupUnreachable(LogError):
    """The folder or the store of a backup does not answer, is full, or does not let us in."""

    kind = Kind.RETRY


class BackupRefused(LogError):
    """What lies at the place of a backup is not a backup of this log, or none at all."""


class SourceError(HomeiqError):
    """Something about a source of events. `gap_reason` is the word for it in the log (storage.gaps.GapReason)."""

    gap_reason = "source_error"


class SourceUnreachable(SourceError):
    """There is no connection, or it broke; `gap_reason` says how."""

    kind = Kind.RETRY

    def __init__(self, message: str, *, hint: str = "", place: str = "", gap_reason: str = "unreachable") -> None:
        super().__init__(message, hint=hint, place=place)
        self.gap_reason = gap_reason


class SourceBusy(SourceError):
    """The source can't answer now; `retry_after` is the seconds that it asks for, None where it says nothing."""

    kind = Kind.RETRY

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "", place: str = "") -> None:
        super().__init__(message, hint=hint, place=place)
        self.retry_after = retry_after


class SourceIncomplete(SourceError):
    """Some of what the source was asked for came and some did not: the rest goes on at its usual pace."""

    kind = Kind.RETRY


class SourceRefused(SourceError):
    """The source answers, but not to what it is asked: 404, 400, a redirect to somewhere else."""


class TokenRefused(SourceError):
    """The source does not accept the token."""

    gap_reason = "token_refused"


class NotHomeAssistant(SourceError):
    """Something answers there, but it is not Home Assistant."""

    gap_reason = "wrong_service"


class CommandRefused(SourceError):
    """The source is there, but does not do what it was asked; `code` is its own word for why."""

    kind = Kind.RETRY

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class TargetError(HomeiqError):
    """Something about a target."""


class TargetUnreachable(TargetError):
    """The target does not answer, or answers that it cannot now."""

    kind = Kind.RETRY


class TargetBusy(TargetError):
    """The target asks to be left alone for `retry_after` seconds."""

    kind = Kind.RETRY

    def __init__(self, message: str, *, retry_after: float, hint: str = "", place: str = "") -> None:
        super().__init__(message, hint=hint, place=place)
        self.retry_after = retry_after


class TargetRefused(TargetError):
    """The target does not know the token, the organisation or the bucket."""


class BucketMissing(TargetRefused):
    """The target lets us in, but knows no such organisation, bucket or database."""


class TargetLocked(TargetError):
    """Another homeiq process writes to this target."""


class BatchTooLarge(TargetError):
    """The target takes smaller requests only."""

    kind = Kind.RETRY


class LinesRefused(TargetError):
    """At least one line of the request is not taken; `message` is the target's own reason."""

    kind = Kind.CORRUPT


class ServiceError(HomeiqError):
    """The service manager does not do what it is asked, or the service's user cannot do its part."""


class Stopped(HomeiqError):
    """The process was asked to end before it was done; what is not confirmed is done at the next start."""

    kind = Kind.RETRY
