"""Every word of the pages, by id and language; what an entry of the ledger is called is put together here too.

A page is in one language throughout: where a word is missing in a language, that language is not offered.
"""

from __future__ import annotations

from farthing.selling.orders import OrderView
from farthing.views import Line

ENGLISH = {
    "site.name": "Credits",
    "site.skip": "Skip to the content",
    "site.pages": "Pages",
    "site.signed_in": "Signed in as {account}",
    "site.leave": "Sign out",
    "site.times": "All times are in {zone}.",
    "site.test": "Test mode: no real money moves.",
    "site.code": "Code for support: {code}",
    "site.overview": "Overview",
    "site.buy": "Buy",
    "site.history": "History",
    "site.orders": "Orders",
    "enter.title": "Continue to your credits",
    "enter.once": "This link opens your credits on this device. It works once, for a short time.",
    "enter.reusable": "This link opens your credits on this device.",
    "enter.button": "Continue",
    "left.title": "You are signed out",
    "left.text": "To come back, open your credits again from the application that you use them in.",
    "problem.token_expired.title": "This link is too old",
    "problem.token_expired.text": "Links to your credits work for a few minutes only, so that nobody else can use "
    "them later. Open your credits again from the application that you use them in; that makes a new link.",
    "problem.token_spent.title": "This link was used already",
    "problem.token_spent.text": "Each link to your credits works once. If it was not you who used it, nothing is lost: "
    "open your credits again from the application that you use them in; that makes a new link.",
    "problem.token_invalid.title": "This link is not complete",
    "problem.token_invalid.text": "Part of it may have been cut off on the way. Open your credits again from the "
    "application that you use them in; that makes a new link.",
    "problem.signed_out.title": "You are not signed in",
    "problem.signed_out.text": "Your session has ended, or it never began in this browser. Open your credits again "
    "from the application that you use them in.",
    "problem.signed_out.paid": "If you have just paid, your payment is safe.",
    "problem.foreign_form.title": "This form was not accepted",
    "problem.foreign_form.text": "It did not come from these pages, or it is from before you signed in. Nothing was "
    "changed. Open the page again and send it from there.",
    "problem.not_found.title": "There is no such page",
    "problem.not_found.text": "The address may be mistyped, or what it showed is not yours to see.",
    "problem.method_not_allowed.title": "This page cannot be used like that",
    "problem.method_not_allowed.text": "Nothing was changed. Go back to the overview and start from there.",
    "problem.too_large.title": "That was too much at once",
    "problem.too_large.text": "The form was larger than any of ours. Nothing was changed.",
    "problem.unavailable.title": "Back in a moment",
    "problem.unavailable.text": "Your credits are safe, but they cannot be read right now. Try again in a minute.",
    "problem.broken.title": "Something went wrong on our side",
    "problem.broken.text": "It was noted, and your credits are as they were. Try again; if it happens again, tell the "
    "people who run this application.",
    "problem.home": "Back to the overview",
    "problem.again": "Try again",
    "overview.title": "Your credits",
    "overview.as_of": "As of {time}",
    "overview.refresh": "Refresh",
    "overview.available": "available",
    "overview.held": "{amount} set aside for work under way",
    "overview.overdraft": "You may go down to {amount}.",
    "overview.low": "Running low",
    "overview.empty": "Used up",
    "overview.none": "None yet",
    "overview.debt": "Below zero",
    "overview.busy": "All set aside",
    "overview.low.text": "A tenth or less is left. Buy more before your work stops.",
    "overview.low.unsold": "A tenth or less is left.",
    "overview.empty.text": "There is nothing left to use. Buy more to go on.",
    "overview.empty.unsold": "There is nothing left to use.",
    "overview.busy.text": "All you have is set aside for work under way. What that does not need comes back.",
    "overview.busy.unsold": "All you have is set aside for work under way. What that does not need comes back.",
    "overview.none.text": "You have none of these yet. Buy some to begin.",
    "overview.debt.text": "You have used {amount} more than you had. The next credits cover that first.",
    "overview.debt.held": "You have used or set aside {amount} more than you had. The next credits cover that first.",
    "overview.buy": "Buy {name}",
    "overview.expiring": "Expiring",
    "overview.soon": "soon",
    "overview.more": "{count} more dates",
    "overview.never": "These do not expire.",
    "overview.pending": "Arriving",
    "overview.of": "{available} of {capacity} available",
    "overview.nothing.title": "No credits yet",
    "overview.nothing.text": "When you are given credits or buy some, you will see here how many are left and until "
    "when they can be used.",
    "overview.latest": "Latest",
    "overview.all": "All history",
    "entry.after": "{amount} available",
    "entry.drawn": "Taken from",
    "entry.drawn_one": "{amount} from: {title}, {time}",
    "entry.drawn_unknown": "{amount} from earlier credits",
    "entry.aside": "Set aside from",
    "entry.back": "Given back to",
    "entry.back_one": "{amount} to: {title}, {time}",
    "entry.back_unknown": "{amount} to earlier credits",
    "entry.until": "Until",
    "entry.expires": "Expires",
    "entry.never": "Never",
    "entry.order": "Order",
    "entry.when": "Booked",
    "entry.counts": "Counts from",
    "entry.show_order": "Show the order",
    "history.title": "History",
    "history.types": "Credit type",
    "history.all": "All",
    "history.older": "Older",
    "history.newest": "Back to the newest",
    "history.nothing": "Nothing has happened here yet.",
    "history.end": "That is everything.",
    "orders.title": "Orders",
    "orders.nothing": "You have not bought anything yet.",
    "orders.older": "Older",
    "orders.newest": "Back to the newest",
    "buy.title": "Buy credits",
    "buy.currency": "Currency",
    "buy.provider": "Pay with",
    "buy.popular": "Most popular",
    "buy.bonus": "+ {amount} bonus",
    "buy.each": "{price} each",
    "buy.about": "about {price} each",
    "buy.for": "Good for {life}",
    "buy.forever": "No expiry date",
    "buy.button": "Buy for {price}",
    "buy.button_about": "Buy {name} for {price}",
    "buy.any": "Any amount",
    "buy.amount": "How many",
    "buy.range": "{minimum} to {maximum}",
    "buy.minimum": "{minimum} or more",
    "buy.step": "{range}, in steps of {step}",
    "buy.show": "Show the price",
    "buy.pay": "Pay {price}",
    "buy.working": "How this price comes about",
    "buy.slab": "{amount} × {price}",
    "buy.rounding": "Rounded",
    "buy.total": "Total",
    "buy.next.volume": "With {amount} or more, all of them cost {price} each: {amount} save you {saved}.",
    "buy.next.graduated": "Those beyond {last} cost {price} each.",
    "buy.hosted": "You pay on the page of our payment provider and come back here.",
    "buy.nothing.title": "Nothing is sold right now",
    "buy.nothing.text": "What you have stays yours and works as before.",
    "buy.unpayable": "Buying is not set up yet: no payment provider is connected.",
    "buy.problem": "Nothing was ordered",
    "refusal.switched_off": "Selling is switched off right now.",
    "refusal.package_unavailable": "This package is not sold any more. Choose another one.",
    "refusal.plan_required": "This package is for subscribers of another plan.",
    "refusal.no_price": "This is not sold in this currency. Choose another one.",
    "refusal.unknown_currency": "This is not sold in this currency. Choose another one.",
    "refusal.unknown_provider": "This way to pay is not available. Choose another one.",
    "refusal.unknown_credit_type": "These credits are not sold.",
    "refusal.amount_out_of_range": "This many cannot be bought at once. Choose {range}.",
    "refusal.invalid_amount": "Write a number, such as {example}.",
    "refusal.total_too_small": "So few cost less than the smallest coin. Choose more.",
    "refusal.price_changed": "The price changed while you were looking. You see the new one here.",
    "refusal.key_reused": "This form was used before, for something else.",
    "refusal.below": "Look below for what can be bought.",
    "refusal.other": "This cannot be bought like that. Choose from what you see here.",
    "unplaced.title": "Your order is not finished yet",
    "unplaced.provider_unavailable": "The payment page does not answer. Nothing was charged. Try again: it will be the "
    "same order, and you can only pay it once.",
    "unplaced.unavailable": "We could not place it right now. Nothing was charged. Try again: it will be one order, "
    "however often you try.",
    "unplaced.again": "Try again",
    "unplaced.back": "Back to buying",
    "order.open": "Waiting for your payment",
    "order.open.text": "We have not heard of a payment yet. If you have just paid, this page will show it by itself.",
    "order.open.pay": "Go to the payment page",
    "order.processing": "Your payment is on its way",
    "order.processing.text": "Some ways to pay take a while. The credits arrive as soon as the payment does; "
    "you may close this page.",
    "order.fulfilled": "{amount} added",
    "order.fulfilled.text": "Thank you. Your new balance:",
    "order.failed": "The payment was declined",
    "order.failed.text": "No credits were added, and this order was not paid.",
    "order.failed.card_declined": "Your bank declined the card. No credits were added and nothing was charged. "
    "Another card, or your bank, may help.",
    "order.failed.bank_refused": "The bank did not carry out the payment. No credits were added.",
    "order.failed.insufficient_funds": "The card has not enough funds. No credits were added and nothing was charged.",
    "order.failed.expired_card": "The card has expired. No credits were added and nothing was charged.",
    "order.cancelled": "You cancelled the payment",
    "order.cancelled.text": "Nothing was charged, and no credits were added.",
    "order.expired": "This order has expired",
    "order.expired.text": "It was not paid in time. Nothing was charged. A new order has today’s price.",
    "order.review": "We are checking your payment",
    "order.review.text": "A payment arrived, but not the one this order asks for. Please do not pay again: "
    "we will put it right, and the credits or your money will come.",
    "order.surplus": "This order was paid more than once. The payment that is too much was noted and will be sorted "
    "out; please do not pay again.",
    "order.again": "Buy again",
    "order.retry": "Try another way to pay",
    "order.overview": "To your credits",
    "order.details": "Order",
    "order.bought": "Bought",
    "order.ordered": "Ordered",
    "order.amount_bonus": "{amount} + {bonus} bonus",
    "order.tax": "Of that tax",
    "order.total": "Total",
    "order.paid": "Paid",
    "order.placed": "Ordered on",
    "order.done": "Paid on",
    "order.good": "Credits are good for",
    "order.number": "Number",
    "order.watching": "This page keeps looking by itself.",
    "status.open": "Waiting for payment",
    "status.processing": "Payment on its way",
    "status.fulfilled": "Paid",
    "status.failed": "Declined",
    "status.cancelled": "Cancelled",
    "status.expired": "Expired",
    "status.review": "Being checked",
    "provider.sandbox": "Test payment",
    "provider.stripe": "Card",
    "provider.lemonsqueezy": "Lemon Squeezy",
    "line.gift": "Gift",
    "line.plan": "Credits of your plan",
    "line.purchase": "Purchase",
    "line.bonus": "Bonus",
    "line.promo": "Promotion",
    "line.adjustment": "Correction",
    "line.transfer": "Transfer received",
    "line.reversal": "Returned",
    "line.grant": "Credits added",
    "line.deduct": "Used",
    "line.deduct.for": "Used for {operation}",
    "line.hold": "Set aside",
    "line.hold.for": "Set aside for {operation}",
    "line.capture": "Used, as set aside",
    "line.capture.for": "Used for {operation}, as set aside",
    "line.release": "No longer set aside",
    "line.lapse": "No longer set aside: time ran out",
    "line.extend": "Set aside for longer",
    "line.reverse": "Returned",
    "line.reverse.for": "Returned for {operation}",
    "line.void": "Withdrawn",
    "line.void.none": "To be withdrawn once no longer set aside",
    "line.clawback": "Taken back after a refund",
    "line.clawback.none": "Refunded: nothing taken back so far",
    "line.expire": "Expired",
    "line.transfer_out": "Transfer sent",
    "line.transfer_in": "Transfer received",
    "line.repay": "Overdraft settled",
}

WORDS = {"en": ENGLISH}


def language_for(locale: str) -> str:
    """The language of the pages for readers of `locale`: its own where there are words in it, else English."""
    own = locale.replace("_", "-").partition("-")[0].lower()
    return own if own in WORDS else "en"


def title(line: Line) -> str:
    """The id of the words for an entry: by what happened, and for credits that came, by why they exist."""
    if line.kind == "grant":
        return f"line.{line.source}" if f"line.{line.source}" in ENGLISH else "line.grant"
    if not line.amount and f"line.{line.kind}.none" in ENGLISH:
        return f"line.{line.kind}.none"
    with_operation = f"line.{line.kind}.for"
    return with_operation if line.operation and with_operation in ENGLISH else f"line.{line.kind}"


def outcome(order: OrderView) -> str:
    """The id of the sentence about how an order stands; a declined payment's reason where there are words for it."""
    particular = f"order.{order.status}.{order.reason}"
    return particular if particular in ENGLISH else f"order.{order.status}.text"


def spoken(code: str) -> str:
    """A code such as "image.upscale_2x" as words: "image upscale 2x"."""
    return " ".join("".join(letter if letter.isalnum() else " " for letter in code).split())
