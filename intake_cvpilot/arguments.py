"""The Intake driver's arguments: plain as they were spelled, canonical, and fit to be shown.

A catalog hands over text, a notebook hands over dates, paths and tuples.  *Plain* arguments are
what the caller wrote, in values that YAML and pickle know: chaining starts from them.  *Canonical*
arguments are equal for equal requests: equality, tokens and YAML are made of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.instants import canonical_bound, read, zone
from intake_cvpilot.options import DEFAULTS, UNSET
from intake_cvpilot.sources import message_type as message_type_of
from intake_cvpilot.sources import source as source_of
from intake_cvpilot.values import Secrets, is_url

if TYPE_CHECKING:
    from intake_cvpilot.request import Request

__all__ = ["canonical", "plain", "shown"]

#: Arguments that None does not leave to the environment: it lifts the limit.
LIFTED_BY_NONE = frozenset({"rate", "max_bytes", "cache_limit"})

#: Arguments that are times.
BOUNDS = frozenset({"start", "end"})

#: Arguments that are places: a relative one must mean the same after a change of folder.
PLACES = frozenset({"archive", "cache_dir"})

#: Arguments that say how to reach a place; they may hold secrets.
REACHES = frozenset({"storage_options", "cache_options"})

#: Parts of the names in storage_options that are left out of all that can be read: what the
#: archive's identity leaves out, and what other file systems hide credentials in.
SECRET = re.compile(
    r"(^|[-_])(access|auth\w*|cert\w*|conn\w*|cookies?|cred\w*|headers?|jwt|key|keys|login|pass\w*"
    r"|pwd|sas|secret\w*|sig|signature|token|user\w*)($|[-_])",
    re.IGNORECASE,
)


def plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give arguments as text, numbers, lists and mappings; what was not given is left out.

    Parameters
    ----------
    given : mapping of str to object
        Arguments by name.  None and the empty text of an unused catalog parameter mean not given.

    Returns
    -------
    dict
        Dates and instants are ISO text that means the same, places are absolute.  A pyarrow
        expression stays what it is.

    Raises
    ------
    InvalidRequestError
        A bound is no time, or the zone is unknown.
    """
    return {
        name: plain_value(name, value)
        for name, value in given.items()
        if value is not UNSET
        # Intake renders an unused parameter as nothing, and one that is None as itself.
        and not (isinstance(value, str) and value in ("", f"{{{{ {name} }}}}"))
        and not (value is None and name not in LIFTED_BY_NONE)
    }


def plain_value(name: str, value: Any) -> Any:
    """Give one argument in plain values."""
    if name in BOUNDS:
        try:
            return read(value).isoformat()
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{name}: {error}") from None
    if name == "timezone":
        return zone(value).key
    if name == "cache_dir" and is_url(value):  # a published cache, of this computer too
        return value.rstrip("/")
    if name in PLACES:
        return place(value)
    if name in REACHES:
        if not isinstance(value, Mapping):
            raise InvalidRequestError(f"{name} is a mapping of options, not {type(value).__name__}")
        return Secrets(value)
    if name == "lock":
        return value.to_dict() if hasattr(value, "to_dict") else place(simple(value))
    if name == "filters":
        return filters(simple(value))
    return simple(value)


def simple(value: Any) -> Any:
    """Give text for dates, instants and paths, Python's numbers for NumPy's, lists for tuples."""
    if isinstance(value, date):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [simple(item) for item in value]
    if type(value).__module__ == "numpy":
        is_time = type(value).__name__ == "datetime64"
        return str(value) if is_time else simple(value.tolist())
    return value


def filters(value: Any) -> Any:
    """Give a condition back its tuples: as lists, conditions look like alternatives."""
    if not isinstance(value, list):
        return value
    if all(isinstance(item, list) and item and isinstance(item[0], str) for item in value):
        return [tuple(item) for item in value]
    return [filters(item) for item in value]


def place(value: Any) -> Any:
    """Give a local folder as an absolute path, and a URL as it is."""
    if not isinstance(value, (str, PurePath)) or "::" in str(value):
        return value
    text = str(value)
    if text.startswith("file://"):
        text = unquote(text.removeprefix("file://"))
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://.", text):
        return text.rstrip("/")
    path = Path(text).expanduser().absolute()
    return str(path.resolve() if ".." in path.parts else path)


def canonical(asked: Mapping[str, Any], request: Request | None) -> dict[str, Any]:
    """Give arguments that are equal for equal requests, without secrets, ready for YAML.

    Parameters
    ----------
    asked : mapping of str to object
        Plain arguments.
    request : Request or None
        What they ask for; None as long as a bound is missing, and the range stays as spelled.

    Returns
    -------
    dict
        Only what differs from the defaults.
    """
    source = source_of(asked["source"]).name
    message_type = message_type_of(source, asked["message_type"])
    found = {**asked, "source": source, "message_type": message_type.name}
    if request is not None:
        found |= {
            "start": canonical_bound(request.start),
            "end": canonical_bound(request.end),
            "timezone": "UTC",
            "weekday": list(request.weekdays),
            "period": list(request.periods),
        }
    if found.get("table") == message_type.tables[0]:
        del found["table"]
    defaults = {**DEFAULTS, "weekday": [], "period": []}
    return {
        name: value
        for name, value in shown(found)[0].items()
        if name not in defaults or value != defaults[name]
    }


def shown(asked: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Give the arguments that may be written down, and the names of those left out.

    Values of storage_options that may be secrets, the login in a URL, a callback and a pyarrow
    expression are left out.
    """
    found: dict[str, Any] = {}
    left_out: list[str] = []
    for name, value in asked.items():
        if name in ("progress", "client"):  # of this process
            continue
        if name == "filters" and not isinstance(value, list):
            left_out.append("filters (a pyarrow expression)")
            continue
        if name in REACHES:
            kept = harmless(value, name, left_out)
            if kept:
                found[name] = kept
            continue
        found[name] = lists(value)
        if name in PLACES:
            found[name] = without_login(value, name, left_out)
    return found, left_out


def harmless(options: Mapping[str, Any], path: str, left_out: list[str]) -> dict[str, Any]:
    """Give the options that hold no secret; names of the others are added to ``left_out``."""
    found: dict[str, Any] = {}
    for name, value in sorted(options.items()):
        if isinstance(value, Mapping) and not SECRET.search(name):
            inner = harmless(value, f"{path}.{name}", left_out)
            if inner:
                found[name] = inner
        elif isinstance(value, (str, int, float, type(None))) and not SECRET.search(name):
            found[name] = without_login(value, f"{path}.{name}", left_out)
        else:
            left_out.append(f"{path}.{name}")
    if "key" in options and "anon" not in options:
        found["anon"] = False  # what is left would otherwise ask for unsigned requests
    return found


def without_login(value: Any, path: str, left_out: list[str]) -> Any:
    """Give a URL, or a chain of them, without users, passwords and queries (signatures)."""
    if not isinstance(value, str) or "://" not in value:
        return value
    bare = "::".join(bare_url(part) for part in value.split("::"))
    if bare != value:
        left_out.append(f"login of {path}")
    return bare


def bare_url(url: str) -> str:
    """Give a URL without user, password, query and fragment."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def lists(value: Any) -> Any:
    """Give lists for tuples, all the way down: YAML has no tuples."""
    if isinstance(value, (list, tuple)):
        return [lists(item) for item in value]
    return value
