"""What can go wrong, as few words as possible; messages that an official reads are Vietnamese."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of configuration; ``line`` is 1-based, 0 where a line means nothing."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}"


class IocError(Exception):
    """Base of every error that this product raises on purpose."""


class ConfigError(IocError):
    """Configuration is refused as a whole: carries all faults, never only the first."""

    def __init__(self, faults: list[Fault]):
        self.faults = list(faults)
        super().__init__(f"Cấu hình có {len(self.faults)} lỗi:\n" + "\n".join(map(str, faults)))


class Forbidden(IocError):
    """The principal may not read or do this."""


class Transient(IocError):
    """Try later, the last values stay; ``retry_after`` in seconds when the source said so."""

    def __init__(self, message: str = "", *, retry_after: float | None = None):
        self.retry_after = retry_after
        super().__init__(message)


class Broken(IocError):
    """A person must act: the source no longer says what was agreed."""


class NeedsCredentials(Broken):
    """The source refuses our credentials, or they were never given."""


class UnknownOrgUnit(IocError):
    """No org unit answers to this code on this date; the message is the reason, in Vietnamese."""
