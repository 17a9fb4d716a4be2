"""The one table from errors to HTTP statuses, for every door that speaks HTTP."""

from __future__ import annotations

from farthing import errors
from farthing.errors import FarthingError

STATUS: dict[type[FarthingError], int] = {
    errors.FarthingError: 500,
    errors.Invalid: 422,
    errors.InvalidAmount: 422,
    errors.FloatAmount: 422,
    errors.InvalidAccount: 422,
    errors.InvalidKey: 422,
    errors.InvalidExpiry: 422,
    errors.InvalidField: 422,
    errors.UnknownCreditType: 422,
    errors.UnknownPlan: 422,
    errors.UnknownOperation: 422,
    errors.UnknownCurrency: 422,
    errors.UnknownProvider: 404,
    errors.UnknownConnection: 500,
    errors.BadSignature: 400,
    errors.BodyTooLarge: 413,
    errors.EventUnreadable: 400,
    errors.TokenInvalid: 401,
    errors.TokenExpired: 401,
    errors.TokenSpent: 401,
    errors.QuoteInvalid: 422,
    errors.Refused: 409,
    errors.InsufficientCredits: 402,
    errors.BalanceTooLarge: 422,
    errors.HoldEnded: 409,
    errors.HoldTooLong: 422,
    errors.CaptureTooLarge: 422,
    errors.NotEnoughLeft: 409,
    errors.AccountFrozen: 403,
    errors.AccountMerged: 409,
    errors.MergeRefused: 409,
    errors.KeyReused: 422,
    errors.ScaleChanged: 409,
    errors.SwitchedOff: 403,
    errors.AmountOutOfRange: 422,
    errors.NoPrice: 422,
    errors.PackageUnavailable: 422,
    errors.PlanRequired: 403,
    errors.TotalTooSmall: 422,
    errors.NotBillable: 422,
    errors.NoRate: 422,
    errors.NothingToCharge: 422,
    errors.PromoCodeUnavailable: 422,
    errors.PromoCodeNotForThis: 422,
    errors.PromoCodeUsedUp: 409,
    errors.PaymentSettled: 409,
    errors.QuoteExpired: 409,
    errors.AlreadySubscribed: 409,
    errors.NotSubscribed: 409,
    errors.BilledByProvider: 409,
    errors.PeriodNotDue: 409,
    errors.NoSavedCard: 409,
    errors.NoTopUp: 409,
    errors.NotFound: 404,
    errors.Unavailable: 503,
    errors.DatabaseBusy: 503,
    errors.DatabaseUnreachable: 503,
    errors.TransactionLost: 503,
    errors.OutcomeUnknown: 503,
    errors.ProviderUnavailable: 503,
    errors.NotReady: 503,
    errors.NotMigrated: 503,
    errors.CatalogInvalid: 503,
    errors.SettingsInvalid: 503,
    errors.ModeMismatch: 503,
    errors.CalculatorFailed: 500,
    errors.NestedWrite: 500,
    errors.NoTransaction: 500,
    errors.Corrupt: 500,
}


def status_of(kind: type[FarthingError]) -> int:
    """The HTTP status of an error; a class without a row of its own has its parent's."""
    return next(STATUS[parent] for parent in kind.__mro__ if parent in STATUS)


def title_of(kind: type[FarthingError]) -> str:
    """An error's docstring, less its full stop."""
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0].rstrip(".")
