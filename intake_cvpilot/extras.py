"""Engines that are installed only by those who want them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from intake_cvpilot.errors import MissingExtraError

__all__ = ["need"]


def need(module: str, extra: str) -> Any:
    """Import a module of an optional extra.

    Raises
    ------
    MissingExtraError
        It is not installed; the message says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        # A module that is there and cannot be loaded is another trouble than one that is missing.
        lacks = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        what = "is not installed" if lacks else f"cannot be imported ({error})"
        raise MissingExtraError(
            f"{module.partition('.')[0]} {what}; "
            f'install the extra "{extra}": python -m pip install ".[{extra}]" in a checkout'
        ) from error
