"""Which cluster a fetch runs on, if any: the one that is given, else the active one if it fits."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.extras import need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from distributed import Client

__all__ = ["active", "connected", "given"]


def given(wish: Any) -> Client:
    """Check a client that a caller gave.

    Raises
    ------
    MissingExtraError
        distributed is not installed.
    InvalidRequestError
        It is no client, or cannot be used.
    """
    distributed = need("distributed", "cluster")
    if not isinstance(wish, distributed.Client):
        raise InvalidRequestError(
            "client is a dask.distributed.Client, False for this machine alone, or None; "
            f"it is of the type {type(wish).__name__}"
        )
    if wish.asynchronous:
        raise InvalidRequestError(
            "client is asynchronous, and a fetch is not: give one without asynchronous=True"
        )
    if wish.status != "running":
        raise InvalidRequestError(
            f"client is {wish.status}: its scheduler has gone, or it was closed"
        )
    client: Client = wish
    return client


def active() -> Client | None:
    """Give the active client; None where there is none, or this is a task of a worker itself.

    A task that waited for other tasks of its cluster could wait for its own thread.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None:  # who has a client has imported it
        return None
    try:
        distributed.get_worker()
    except ValueError:
        pass
    else:
        return None
    try:
        return given(distributed.Client.current())
    except ValueError:  # none, or none that can be used
        return None


def connected(address: str, seconds: float = 5.0) -> AbstractContextManager[Client]:
    """Connect to a scheduler; leaving the context closes the connection.

    Parameters
    ----------
    address : str
        Such as ``tcp://10.0.0.1:8786``; certificates are those of dask's configuration.
    seconds : float
        How long to try.

    Raises
    ------
    MissingExtraError
        distributed is not installed.
    InvalidRequestError
        Nothing answers there.
    """
    from contextlib import contextmanager

    distributed = need("distributed", "cluster")

    @contextmanager
    def connection() -> Iterator[Client]:
        try:
            client = distributed.Client(address, timeout=seconds, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise InvalidRequestError(
                f"no dask scheduler answers at {address!r} ({type(error).__name__}): give its "
                "address, e.g. tcp://10.0.0.1:8786, as `dask scheduler` prints it"
            ) from error
        with client:
            yield client

    return connection()
