"""Every error Farthing raises.

FarthingError
├── Invalid                    the call is wrong as written; nothing was changed
│   ├── InvalidAmount            not a number of credits or money that can be counted
│   │   └── FloatAmount            a float (also a TypeError): floats cannot count money or credits
│   ├── InvalidAccount           not a usable account id
│   ├── InvalidKey               not a usable idempotency key
│   ├── InvalidExpiry            not a duration, an instant or NEVER, or already past
│   ├── InvalidField             any other argument that cannot be stored as given
│   ├── UnknownCreditType        the catalog has no such credit type
│   ├── UnknownPlan              the catalog has no such plan
│   ├── UnknownOperation         the catalog has no rate card of this name
│   ├── UnknownCurrency          not an ISO 4217 currency
│   ├── UnknownProvider          no payment provider of this name is set up
│   ├── UnknownConnection        not a connection that Farthing can work inside
│   ├── BadSignature             a webhook that its provider did not sign, or too long ago
│   ├── BodyTooLarge             a webhook's body of more than a mebibyte
│   ├── EventUnreadable          a signed event that is not what its provider sends
│   ├── TokenInvalid             a link or session that was not signed here, or for something else
│   │   ├── TokenExpired           its time is over
│   │   └── TokenSpent             a link that was used before, or a session that was ended
│   └── QuoteInvalid             a quote that was not signed here, or not for this buyer
├── Refused                    a rule said no; nothing was changed
│   ├── InsufficientCredits      the account has fewer credits than this needs
│   ├── BalanceTooLarge          the wallet would pass 10^15 smallest units
│   ├── HoldEnded                a hold ends once: it was captured, released, or lapsed
│   ├── HoldTooLong              the credit type lets no hold last so long
│   ├── CaptureTooLarge          more than was held, and the credit type does not allow that
│   ├── NotEnoughLeft            less of a deduction or lot is left than this would take back
│   ├── AccountFrozen            nothing may be spent until it is unfrozen
│   ├── AccountMerged            another account took this one over
│   ├── MergeRefused             the guest has open holds, debts or a plan
│   ├── KeyReused                this key already stands for something else
│   ├── ScaleChanged             the catalog counts this type in other units than the ledger does
│   ├── SwitchedOff              the catalog switches this off
│   ├── AmountOutOfRange         below the least that is sold at once, above the most, or off the step
│   ├── NoPrice                  the catalog has no price for this in this currency
│   ├── PackageUnavailable       no such package, or it is not sold now
│   │   └── PlanRequired           only subscribers of certain plans may buy this package
│   ├── TotalTooSmall            the total rounds to nothing
│   ├── NotBillable              the payment provider cannot collect this much, or this currency
│   ├── NoRate                   the rate card prices no such call
│   ├── NothingToCharge          what was used comes to no credits
│   ├── PromoCodeUnavailable     no such promo code, or it does not count now
│   │   ├── PromoCodeNotForThis    it is for something else
│   │   └── PromoCodeUsedUp        it was used as often as it may be, in all or by this account
│   ├── PaymentSettled           the payment waits for nobody's decision
│   ├── QuoteExpired             the time of a signed quote is over
│   ├── AlreadySubscribed        the account has a plan: change it, or cancel it first
│   ├── NotSubscribed            the account has no plan
│   ├── BilledByProvider         the plan is paid through a provider, and changed or cancelled there
│   ├── PeriodNotDue             the plan's next period cannot be opened yet
│   ├── NoSavedCard              the payment provider keeps no card of this account
│   └── NoTopUp                  the account agreed to no auto top-up of this credit type
├── NotFound                   what was asked for does not exist (or belongs to someone else)
├── Unavailable                the database could not do it now; the same call may be made again
│   ├── DatabaseBusy             somebody else held the lock for too long; nothing was changed
│   ├── DatabaseUnreachable      no connection; nothing was changed
│   ├── TransactionLost          the application's own transaction has to be rolled back and run again
│   ├── OutcomeUnknown           the connection broke while committing: ask again with the same key
│   └── ProviderUnavailable      the payment provider did not answer; the order stands
├── NotReady                   Farthing cannot start like this
│   ├── NotMigrated              the database lacks Farthing's tables, or has older ones
│   ├── CatalogInvalid           farthing.toml has mistakes, all of them listed
│   ├── SettingsInvalid          an environment variable is missing or wrong
│   └── ModeMismatch             a test key against a live database, or the other way round
├── CalculatorFailed           the application's own price calculator raised, or answered no price
├── NestedWrite                a plain verb inside one's own transaction
├── NoTransaction              a connection with no transaction to be part of
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
    """Not a number of credits that the credit type, or of money that the currency, can count."""

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


class UnknownPlan(Invalid):
    """The catalog has no such plan."""

    code = "unknown_plan"
    plan: str


class UnknownOperation(Invalid):
    """The catalog has no rate card of this name."""

    code = "unknown_operation"
    operation: str


class UnknownCurrency(Invalid):
    """Not the code of a currency of ISO 4217."""

    code = "unknown_currency"
    currency: str


class UnknownProvider(Invalid):
    """No payment provider of this name is set up."""

    code = "unknown_provider"
    provider: str


class UnknownConnection(Invalid):
    """Not a connection that Farthing can work inside: another database, another driver, or none at all."""

    code = "unknown_connection"


class BadSignature(Invalid):
    """A webhook's signature is missing, wrong or older than five minutes; nothing was stored."""

    code = "bad_signature"


class BodyTooLarge(Invalid):
    """A webhook's body is longer than a mebibyte; nothing was stored."""

    code = "body_too_large"


class EventUnreadable(Invalid):
    """A signed event is not what its provider sends."""

    code = "event_unreadable"


class TokenInvalid(Invalid):
    """A link or session was not signed here, or for something else."""

    code = "token_invalid"


class TokenExpired(TokenInvalid):
    """The time of a link or session is over."""

    code = "token_expired"


class TokenSpent(TokenInvalid):
    """A link that was used before, or a session that was ended."""

    code = "token_spent"


class QuoteInvalid(Invalid):
    """A quote was not signed here, was changed since, or is not for this buyer."""

    code = "quote_invalid"


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


class HoldEnded(Refused):
    """A hold ends once; `ended` says how it did: capture, release or lapse."""

    code = "hold_ended"
    hold: str
    ended: str
    ended_at: datetime


class HoldTooLong(Refused):
    """The credit type lets no hold last so long; `latest` is when this one may end."""

    code = "hold_too_long"
    latest: datetime


class CaptureTooLarge(Refused):
    """More than was held is to be captured, and the credit type does not allow that."""

    code = "capture_too_large"
    hold: str
    held: Decimal


class NotEnoughLeft(Refused):
    """Less of a deduction or lot is left than this would take back; `of` names it."""

    code = "not_enough_left"
    of: str
    required: Decimal
    left: Decimal


class AccountFrozen(Refused):
    """Nothing may be spent, held, transferred or bought until the account is unfrozen."""

    code = "account_frozen"
    account: str


class AccountMerged(Refused):
    """Another account, `into`, took this one over."""

    code = "account_merged"
    account: str
    into: str


class MergeRefused(Refused):
    """The guest has open holds, debts or a plan, or was merged before; nothing was moved."""

    code = "merge_refused"
    account: str


class KeyReused(Refused):
    """This key already stands for something else."""

    code = "key_reused"
    key: str
    recorded_at: datetime


class ScaleChanged(Refused):
    """The catalog counts this credit type in other units than the ledger does."""

    code = "scale_changed"


class SwitchedOff(Refused):
    """The catalog switches this off, for everyone."""

    code = "switched_off"
    switch: str


class AmountOutOfRange(Refused):
    """Below the least credits that are sold at once, above the most, or not a multiple of the step."""

    code = "amount_out_of_range"
    credit_type: str
    amount: Decimal
    minimum: Decimal
    maximum: Decimal | None
    step: Decimal


class NoPrice(Refused):
    """The catalog has no price for this in this currency; `currencies` are those it has."""

    code = "no_price"
    currency: str
    currencies: list[str]


class PackageUnavailable(Refused):
    """The catalog has no such package, or does not sell it now."""

    code = "package_unavailable"
    package: str


class PlanRequired(PackageUnavailable):
    """Only subscribers of certain plans may buy this package."""

    code = "plan_required"
    plans: list[str]


class TotalTooSmall(Refused):
    """The total rounds to nothing in the currency's minor unit, and nothing is not sold."""

    code = "total_too_small"
    currency: str


class NotBillable(Refused):
    """The payment provider cannot collect so little or so much, or takes no such currency; nothing was charged."""

    code = "not_billable"
    provider: str
    currency: str


class NoRate(Refused):
    """The rate card prices no call with these dimensions; `known` are the values it has for each."""

    code = "no_rate"
    operation: str
    dimensions: dict[str, str]
    known: dict[str, list[str]]


class NothingToCharge(Refused):
    """What was used comes to no credits, and nothing cannot be charged, held or captured."""

    code = "nothing_to_charge"
    operation: str


class PromoCodeUnavailable(Refused):
    """The catalog has no such promo code, or it does not count now."""

    code = "promo_code_unavailable"
    promo_code: str | None


class PromoCodeNotForThis(PromoCodeUnavailable):
    """The promo code is for other packages, credit types or currencies."""

    code = "promo_code_not_for_this"


class PromoCodeUsedUp(PromoCodeUnavailable):
    """The promo code was used as often as it may be; `by` says whether in "all" or by this "account"."""

    code = "promo_code_used_up"
    by: str


class PaymentSettled(Refused):
    """Money that waits for nobody's decision: it bought its order, was dismissed, or never came; see `standing`."""

    code = "payment_settled"
    payment: str
    standing: str


class QuoteExpired(Refused):
    """The time for which a signed quote is honoured is over."""

    code = "quote_expired"
    honoured_until: datetime


class AlreadySubscribed(Refused):
    """The account has a plan: it can be changed, or cancelled before another one starts."""

    code = "already_subscribed"
    account: str
    plan: str


class NotSubscribed(Refused):
    """The account has no plan, or its plan has ended."""

    code = "not_subscribed"
    account: str


class BilledByProvider(Refused):
    """The account's plan is paid through a provider, and is changed or cancelled there."""

    code = "billed_by_provider"
    account: str
    provider: str


class PeriodNotDue(Refused):
    """The plan's next period cannot be opened yet, so that paying twice by mistake opens only one."""

    code = "period_not_due"
    account: str
    plan: str
    opens_at: datetime | None


class NoSavedCard(Refused):
    """The payment provider keeps no card of this account that could be charged."""

    code = "no_saved_card"
    account: str
    provider: str


class NoTopUp(Refused):
    """The account agreed to no auto top-up of this credit type, or it was stopped."""

    code = "no_top_up"
    account: str
    credit_type: str


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


class TransactionLost(Unavailable):
    """The application's own transaction cannot go on: roll it back, and run all of it again."""

    code = "transaction_lost"


class OutcomeUnknown(Unavailable):
    """The connection broke while committing: ask again with the same key to learn what happened."""

    code = "outcome_unknown"


class ProviderUnavailable(Unavailable):
    """The payment provider did not answer; the order stands, and the same call with the same key asks again."""

    code = "provider_unavailable"
    provider: str


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


class CalculatorFailed(FarthingError):
    """The application's own price calculator raised an error, or answered something that is no price."""

    code = "calculator_failed"
    calculator: str


class NestedWrite(FarthingError, RuntimeError):
    """A plain verb was called inside one's own open transaction, where it would wait for itself."""

    code = "nested_write"


class NoTransaction(FarthingError, RuntimeError):
    """The connection has no open transaction of the application's to be part of; nothing was changed."""

    code = "no_transaction"


class Corrupt(FarthingError):
    """The books contradict themselves; the write was stopped and nothing was changed."""

    code = "corrupt"
