"""Every error Farthing raises.

FarthingError
├── Invalid                    the call is wrong as written; nothing was changed
│   ├── InvalidAmount            not a positive number of credits this type can count
│   │   └── FloatAmount            a float (also a TypeError): floats cannot count money or credits
│   ├── InvalidAccount           not a usable account id
│   ├── InvalidKey               not a usable idempotency key
│   ├── InvalidExpiry            not a duration, an instant or NEVER, or already past
│   ├── InvalidField             any other argument that cannot be stored as given
│   └── UnknownCreditType        the catalog has no such credit type
├── Refused                    a rule said no; nothing was changed
│   ├── InsufficientCredits      the account has fewer credits than this needs
│   ├── BalanceTooLarge          the wallet would pass 10^15 smallest units
│   ├── KeyReused                this key already stands for something else
│   └── ScaleChanged             the catalog counts this type in other units than the ledger does
├── NotFound                   what was asked for does not exist (or belongs to someone else)
├── Unavailable                the database could not do it now; the same call may be made again
│   ├── DatabaseBusy             somebody else held the lock for too long; nothing was changed
│   ├── DatabaseUnreachable      no connection; nothing was changed
│   └── OutcomeUnknown           the connection broke while committing: ask again with the same key
├── NotReady                   Farthing cannot start like this
│   ├── NotMigrated              the database lacks Farthing's tables, or has older ones
│   ├── CatalogInvalid           farthing.toml has mistakes, all of them listed
│   ├── SettingsInvalid          an environment variable is missing or wrong
│   └── ModeMismatch             a test key against a live database, or the other way round
├── NestedWrite                a plain verb inside one's own transaction
└── Corrupt                    the books contradict themselves; the write was stopped
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar


class FarthingError(Exception):
    """The root of every error Farthing raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.message, self.facts)


def _rebuild(kind: type[FarthingError], message: str, facts: dict[str, Any]) -> FarthingError:
    return kind(message, **facts)


class Invalid(FarthingError, ValueError):
    """The call is wrong as written; nothing was changed."""

    code = "invalid"


class InvalidAmount(Invalid):
    """Not a positive number of credits that this credit type can count."""

    code = "invalid_amount"


class FloatAmount(InvalidAmount, TypeError):
    """A float was given where credits or money are counted."""

    code = "float_amount"


class InvalidAccount(Invalid):
    """Not a usable account id."""

    code = "invalid_account"


class InvalidKey(Invalid):
    """Not a usable idempotency key."""

    code = "invalid_key"


class InvalidExpiry(Invalid):
    """Not a duration, an aware instant or NEVER, or not after the credits begin to count."""

    code = "invalid_expiry"


class InvalidField(Invalid):
    """An argument cannot be stored as given."""

    code = "invalid_field"
    field: str


class UnknownCreditType(Invalid):
    """The catalog has no such credit type."""

    code = "unknown_credit_type"
    credit_type: str


class Refused(FarthingError):
    """A rule said no; nothing was changed."""

    code = "refused"


class InsufficientCredits(Refused):
    """The account has fewer credits than this needs."""

    code = "insufficient_credits"
    account: str
    credit_type: str
    required: Decimal
    available: Decimal
    shortfall: Decimal


class BalanceTooLarge(Refused):
    """The wallet would pass 10^15 smallest units, the most that every JSON reader keeps exact."""

    code = "balance_too_large"


class KeyReused(Refused):
    """This key already stands for something else."""

    code = "key_reused"
    key: str
    recorded_at: datetime


class ScaleChanged(Refused):
    """The catalog counts this credit type in other units than the ledger does."""

    code = "scale_changed"


class NotFound(FarthingError, LookupError):
    """What was asked for does not exist."""

    code = "not_found"


class Unavailable(FarthingError):
    """The database could not do it now; the same call with the same key may be made again."""

    code = "unavailable"


class DatabaseBusy(Unavailable):
    """Somebody else held the lock for too long; nothing was changed."""

    code = "database_busy"


class DatabaseUnreachable(Unavailable):
    """The database does not answer; nothing was changed."""

    code = "database_unreachable"


class OutcomeUnknown(Unavailable):
    """The connection broke while committing: ask again with the same key to learn what happened."""

    code = "outcome_unknown"


class NotReady(FarthingError):
    """Farthing cannot start like this."""

    code = "not_ready"


class NotMigrated(NotReady):
    """The database lacks Farthing's tables, or has older or newer ones than this version knows."""

    code = "not_migrated"


class CatalogInvalid(NotReady):
    """The catalog has mistakes; `problems` lists every one with its path."""

    code = "catalog_invalid"
    problems: list[str]


class SettingsInvalid(NotReady):
    """A setting is missing or wrong."""

    code = "settings_invalid"


class ModeMismatch(NotReady):
    """A test key or provider against a live database, or the other way round."""

    code = "mode_mismatch"


class NestedWrite(FarthingError, RuntimeError):
    """A plain verb was called inside one's own open transaction, where it would wait for itself."""

    code = "nested_write"


class Corrupt(FarthingError):
    """The books contradict themselves; the write was stopped and nothing was changed."""

    code = "corrupt"
