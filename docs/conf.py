"""Sphinx: `make docs` builds the pages and runs the example notebook."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
os.environ["CVPILOT_PROGRESS"] = "false"  # bars move; a page does not

project = "intake-cvpilot"
author = "intake-cvpilot maintainers"
copyright = "intake-cvpilot maintainers, Apache-2.0"
release = version = installed("intake-cvpilot")

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "portal_page", "table_pages"]
exclude_patterns = ["_build", "_ext", "jupyter_execute"]
nitpicky = False

html_theme = "alabaster"
html_theme_options = {
    "description": "Connected-vehicle pilot data as typed, verified, local tables",
    "font_family": "system-ui, 'DejaVu Sans', sans-serif",
    "head_font_family": "system-ui, 'DejaVu Sans', sans-serif",
    "font_size": "15px",
    "page_width": "1200px",
    "sidebar_width": "240px",
}
html_static_path = ["_static"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_typehints = "none"  # numpydoc shows the types that the docstrings give
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
