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
numpydoc_xref_param_type = True
# Plain words: links to Python's own documentation would need the network.
_PLAIN = {"bool", "int", "list", "mapping", "object", "str", "tuple"}
numpydoc_xref_ignore = {*_PLAIN, "of", "optional", "or", "path", "to"}
numpydoc_xref_aliases = {
    **{word: word for word in _PLAIN},
    "ClusterSpec": "dask_ctl.spec.keys.ClusterSpec",
    "Problem": "dask_ctl.exceptions.Problem",
    "Located": "dask_ctl.spec.located.Located",
    "Origin": "dask_ctl.spec.located.Origin",
    "Overridden": "dask_ctl.spec.resolved.Overridden",
    "ResolvedSpec": "dask_ctl.spec.resolved.ResolvedSpec",
    "Source": "dask_ctl.spec.located.Source",
}
toc_object_entries = False
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

html_theme = "alabaster"
html_title = "dask_ctl"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_theme_options = {
    "body_max_width": "auto",
    "description": "The script asks for a cluster; dask's configuration says which one",
    "fixed_sidebar": True,
    "page_width": "1180px",
    "show_powered_by": False,
}
