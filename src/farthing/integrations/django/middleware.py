"""Middleware that answers Farthing's refusals, wherever in a view they were raised."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from farthing.integrations.django.decorators import refusal


class RefusalMiddleware(MiddlewareMixin):
    """Turns an InsufficientCredits that a view lets through into the same 402 as `charge` answers, and the other
    refusals likewise. Views that only use `charge` need it not."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The answer, or None for what is left to Django."""
        return refusal(request, exception)
