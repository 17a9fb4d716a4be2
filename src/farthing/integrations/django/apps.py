"""Farthing as an application of Django's."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core import checks

from farthing.errors import FarthingError
from farthing.integrations.django.configuration import said


class FarthingConfig(AppConfig):
    """Brings the commands farthing_migrate, farthing_jobs and farthing_verify, and a check of the setting."""

    name = "farthing.integrations.django"
    label = "farthing"
    verbose_name = "Farthing"

    def ready(self) -> None:
        checks.register(setting_is_right, "farthing")


def setting_is_right(**_: Any) -> list[checks.CheckMessage]:
    """What is wrong with FARTHING, without opening anything."""
    try:
        said()
    except FarthingError as error:
        return [checks.Error(error.message, id="farthing.E001")]
    return []
