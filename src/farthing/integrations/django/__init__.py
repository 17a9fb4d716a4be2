"""Django views that charge for themselves: `@charge(2, "images")`, with the setting FARTHING.

Put "farthing.integrations.django" into INSTALLED_APPS. All keys of FARTHING may be left out:

    FARTHING = {
        "DATABASE": "default",               # the name in DATABASES of the database with Farthing's tables
        "CATALOG": BASE_DIR / "farthing.toml",
        "CREDITS": "shop.billing.open",      # instead of both: a callable that opens them, to be called once
        "ACCOUNT": "shop.billing.account",   # from the request to the account; left out, the key of the signed-in user
        "TOP_UP_URL": "/credits/buy",        # or a callable to it from the InsufficientCredits
    }
"""

from farthing.integrations.charging import Charged
from farthing.integrations.django.configuration import credits
from farthing.integrations.django.decorators import charge

__all__ = ["Charged", "charge", "credits"]
