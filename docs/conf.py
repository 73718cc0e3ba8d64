"""The configuration of Sphinx."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for spec_reference

project = "dask_ctl"
copyright = "2026, dask_ctl developers"  # noqa: A001
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "spec_reference"]
exclude_patterns = ["_build", "examples"]

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections name the types
numpydoc_show_class_members = False
myst_heading_anchors = 3

html_theme = "alabaster"
html_title = "dask_ctl"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_theme_options = {
    "description": "The script asks for a cluster; dask's configuration says which one",
    "fixed_sidebar": True,
    "page_width": "1040px",
    "show_powered_by": False,
}
