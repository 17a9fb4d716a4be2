"""What words the ledger takes: ids, keys and texts, checked once at the door."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from farthing.core import names
from farthing.errors import InvalidAccount, InvalidField, InvalidKey

MAX_ACCOUNT_BYTES = 128
MAX_KEY_BYTES = 200
MAX_TEXT_BYTES = 1000
MAX_METADATA_BYTES = 8192
OUR_KEYS = "farthing:"
_NAMED = {"ent": "entry", "lot": "lot", "hold": "hold"}
_content = json.JSONEncoder(sort_keys=True, default=str)
MAX_EMAIL_BYTES = 254
MAX_LABELS = 20
MAX_LABEL_BYTES = 40
MAX_LABELLED_BYTES = 500
_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)


def account_id(account: str) -> str:
    """`account` as given: 1–128 bytes of UTF-8 without control characters or "/".

    Raises:
        InvalidAccount: anything else.
    """
    wrong = _wrong_text(account, MAX_ACCOUNT_BYTES) or ("it contains '/'" if "/" in account else None)
    if wrong:
        raise InvalidAccount(f"{_shown(account)} is not an account id: {wrong}. Nothing was changed.")
    return _plain(account)


def caller_key(key: str) -> str:
    """`key` as given: 1–200 bytes of UTF-8 without control characters, not starting with "farthing:".

    Raises:
        InvalidKey: anything else.
    """
    wrong = _wrong_text(key, MAX_KEY_BYTES)
    if not wrong and key.startswith(OUR_KEYS):
        wrong = f"keys that start with {OUR_KEYS!r} are Farthing's own"
    if wrong:
        raise InvalidKey(f"{_shown(key)} is not a usable key: {wrong}. Nothing was changed.")
    return _plain(key)


def one_of(field: str, said: str, allowed: Sequence[str]) -> str:
    """`said`, if it is one of the words allowed.

    Raises:
        InvalidField: it is not.
    """
    if said not in allowed:
        raise InvalidField(
            f"{field} must be one of {', '.join(allowed)}, not {_shown(said)}. Nothing was changed.", field=field
        )
    return _plain(said)


def numbered(what: str, name: str) -> tuple[str, int]:
    """The credit type and number in a name such as "lot_images_3".

    Raises:
        InvalidField: no such name.
    """
    found = names.parse(name)
    if found is None or found[0] != what:
        raise InvalidField(
            f"{_shown(name)} is not a name such as {what}_images_3. Nothing was changed.", field=_NAMED[what]
        )
    return found[1:]


def text(field: str, said: str | None, *, most: int = MAX_TEXT_BYTES) -> str | None:
    """An optional text as given, at most `most` bytes without control characters.

    Raises:
        InvalidField: anything else.
    """
    if said is None:
        return None
    wrong = _wrong_text(said, most)
    if wrong:
        raise InvalidField(f"{field} cannot be stored: {wrong}. Nothing was changed.", field=field)
    return _plain(said)


def metadata(given: Mapping[str, Any] | None) -> str | None:
    """`given` as compact JSON, at most 8 KiB.

    Raises:
        InvalidField: not a mapping of JSON values, or too long.
    """
    if given is None:
        return None
    try:
        stored = json.dumps(dict(given), separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False)
        size = len(stored.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidField(f"metadata is not JSON: {error}. Nothing was changed.", field="metadata") from None
    if size > MAX_METADATA_BYTES or "\\u0000" in stored:
        raise InvalidField(
            f"metadata takes {size} bytes as JSON, the most is {MAX_METADATA_BYTES}, without NUL characters. "
            "Nothing was changed.",
            field="metadata",
        )
    return stored


def zone(name: str) -> str:
    """An IANA time zone this machine knows.

    Raises:
        InvalidField: anything else.
    """
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError, AttributeError):
        raise InvalidField(
            f"{_shown(name)} is not an IANA time zone such as Europe/Berlin. Nothing was changed.", field="time_zone"
        ) from None


def locale(tag: str) -> str:
    """A language tag such as "en", "zh" or "pt-BR" (BCP 47), as given.

    Raises:
        InvalidField: anything else.
    """
    if not isinstance(tag, str) or not _LOCALE.fullmatch(tag):
        raise InvalidField(
            f"{_shown(tag)} is not a language tag such as en, zh or pt-BR. Nothing was changed.", field="locale"
        )
    return tag


_EMAIL = re.compile(r"[^\s@<>,;]+@[^\s@<>,;.]+(\.[^\s@<>,;.]+)*")


def email(said: str | None) -> str | None:
    """An optional address as given, at most 254 bytes (RFC 5321): something, one @, and a host.

    Raises:
        InvalidField: anything else. It does not repeat the address.
    """
    if text("email", said, most=MAX_EMAIL_BYTES) is None or _EMAIL.fullmatch(said or ""):
        return said and _plain(said)
    raise InvalidField("email is not an address such as ada@example.com. Nothing was changed.", field="email")


def labels(field: str, given: Mapping[str, str] | None) -> dict[str, str]:
    """Short texts by name, sorted: at most 20, names of at most 40 bytes and texts of at most 500.

    Raises:
        InvalidField: anything else, or a name that starts with "farthing". It does not repeat the texts.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or len(given) > MAX_LABELS:
        raise InvalidField(f"{field} must be at most {MAX_LABELS} texts by name. Nothing was changed.", field=field)
    for name, value in given.items():
        wrong = _wrong_text(name, MAX_LABEL_BYTES) or _wrong_text(value, MAX_LABELLED_BYTES)
        if not wrong and name.startswith("farthing"):
            wrong = "names that start with 'farthing' are Farthing's own"
        if wrong:
            raise InvalidField(
                f"{field} has {_shown(name)}, which cannot be passed on: {wrong}. Nothing was changed.", field=field
            )
    return {_plain(name): _plain(value) for name, value in sorted(given.items())}


def instant(field: str, at: datetime | None) -> datetime | None:
    """An aware datetime as UTC.

    Raises:
        InvalidField: a naive one, which could mean anything, or one outside the years 1970–9000.
    """
    if at is None:
        return None
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidField(
            f"{field} must be a datetime with a time zone, not {at!r}. Nothing was changed.", field=field
        )
    if not 1970 <= at.year <= 9000:
        raise InvalidField(f"{field} must lie in the years 1970 to 9000. Nothing was changed.", field=field)
    return at.astimezone(UTC)


def fingerprint(verb: str, credit_type: str, amount: int, **said: Any) -> bytes:
    """What a key stands for: the verb, the type, the amount and the arguments as given, without those left out."""
    given = {name: value for name, value in said.items() if value is not None}
    body = _content.encode([verb, credit_type, amount, given])
    return blake2b(body.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _plain(said: str) -> str:
    """The bare text of an enumeration's member or another kind of str, whose repr the seal would hold."""
    return str.__str__(said)


def _wrong_text(said: Any, most: int) -> str | None:
    if not isinstance(said, str):
        return f"it is a {type(said).__name__}, not a string"
    try:
        size = len(said.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if not 0 < size <= most:
        return f"it takes {size} bytes, and 1 to {most} are allowed"
    if not said.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in said):
        return "it contains control characters"
    return None


def _shown(said: Any) -> str:
    shown = ascii(said)
    return shown if len(shown) <= 60 else shown[:60] + "…"
