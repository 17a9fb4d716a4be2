"""What the sandbox's pages are made of. They need no JavaScript and load nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape

from starlette.background import BackgroundTask
from starlette.responses import HTMLResponse, RedirectResponse, Response

from farthing.providers.sandbox import Sandbox


def done(said: str, back: str | None, rest: BackgroundTask | None) -> Response:
    if back is not None:
        return RedirectResponse(back, status_code=303, background=rest)
    answer = page(said, "<p>You may close this page.</p>")
    answer.background = rest
    return answer


def nothing_here() -> Response:
    return page("There is nothing to pay here", "<p>This sandbox did not make this address.</p>", status=404)


def not_sent() -> Response:
    return page("That did not work", "<p>Nothing was sent. Go back and load the page again.</p>", status=400)


def choice(name: str, legend: str, labels: Mapping[str, str]) -> str:
    """Radio buttons, the first of them chosen."""
    chosen = next(iter(labels))
    options = "".join(
        f'<label><input type="radio" name="{name}" value="{value}"{" checked" * (value == chosen)}> '
        f"{escape(label)}</label>"
        for value, label in labels.items()
    )
    return f"<fieldset><legend>{escape(legend)}</legend>{options}</fieldset>"


def notes(notes: list[str]) -> str:
    return "".join(f"<p>{escape(note)}</p>" for note in notes)


def back(sandbox: Sandbox, url: str | None) -> str:
    return f'<p><a href="{escape(url)}">Back to {escape(sandbox.merchant)}</a></p>' if url else ""


def button(name: str, label: str, hint: str) -> str:
    return (
        f'<p><button name="action" value="{name}" aria-describedby="{name}">{escape(label)}</button> '
        f'<span id="{name}">{escape(hint)}</span></p>'
    )


_STYLE = """
:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
body { max-width: 30rem; margin: 0 auto; padding: 2rem 1rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
fieldset { border: 1px solid; margin: .5rem 0; }
label { display: block; padding: .25rem 0; cursor: pointer; }
summary { padding: .5rem 0; cursor: pointer; }
button { font: inherit; min-width: 8rem; padding: .5rem 1rem; cursor: pointer; }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
"""
_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def page(title: str, body: str, *, status: int = 200) -> Response:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Sandbox</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>",
        status_code=status,
        headers=_HEADERS,
    )
