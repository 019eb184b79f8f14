"""Committed parts as frames of several engines; all lazy where the engine is."""

from intake_cvpilot.frames.open import open_arrow, open_dask, open_pandas
from intake_cvpilot.frames.raw import RawLine, open_raw

__all__ = ["RawLine", "open_arrow", "open_dask", "open_pandas", "open_raw"]
