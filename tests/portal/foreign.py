"""A stand-in for Stripe.js in the tests' browser: a frame of its own host that asks its own host, as the real one does.

It knows of the real one only what our page uses. What it cannot prove is that the real one is content with our page.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import BrowserContext, Page, Route

SCRIPT = """
window.Stripe = (key, options) => {
  const ask = async (what, said) => {
    const body = JSON.stringify({ key, ...options, ...said });
    return (await fetch(`https://api.stripe.com/v1/${what}`, { method: "POST", body })).json();
  };
  return {
    retrievePaymentIntent: (secret) => ask("retrieve", { secret }),
    elements: ({ clientSecret, appearance }) => {
      document.documentElement.dataset.theme = appearance.theme;
      return {
        clientSecret,
        update: (more) => { document.documentElement.dataset.theme = more.appearance.theme; },
        create: (kind) => {
          const listeners = {};
          return {
            on: (name, listener) => { listeners[name] = listener; },
            mount: (place) => {
              const frame = document.createElement("iframe");
              frame.src = `https://js.stripe.com/form.html?${appearance.theme}`;
              frame.title = `Secure ${kind} input frame`;
              frame.onload = () => listeners.ready();
              frame.style.cssText = "border: 0; width: 100%; height: 4rem";
              document.querySelector(place).append(frame);
            },
          };
        },
      };
    },
    confirmPayment: ({ elements, confirmParams, redirect }) =>
      ask("confirm", { secret: elements.clientSecret, to: confirmParams.return_url, redirect }),
  };
};
"""
FORM = "<!doctype html><html lang=en><title>Form</title><label>Card number <input autocomplete=cc-number></label>"
NIGHT = "<style>body { color: white }</style>"
ANYWHERE = {"access-control-allow-origin": "*"}


def stand_in(page: Page | BrowserContext, answer: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
    """From here on Stripe's hosts are played: `answer` gets what is asked ("retrieve", "confirm") and what is said."""

    def played(route: Route) -> None:
        address = route.request.url
        if address.startswith("https://api.stripe.com/"):
            said = json.loads(route.request.post_data or "{}")
            route.fulfill(json=answer(address.rpartition("/")[2], said), headers=ANYWHERE)
        elif address.endswith(".js"):
            route.fulfill(body=SCRIPT, content_type="text/javascript")
        else:
            body = FORM + NIGHT if address.endswith("night") else FORM
            route.fulfill(body=body, content_type="text/html")

    page.route("https://*.stripe.com/**", played)


def unpaid(asked: str, said: dict[str, Any]) -> dict[str, Any]:
    """An answer to everything: nobody paid yet."""
    return {"paymentIntent": {"status": "requires_payment_method"}}
