"""The configuration of Sphinx."""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for spec_reference and command_reference
_PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "dask_ctl"
release = version = _PROJECT["version"]
copyright = "2026, dask_ctl developers"  # noqa: A001
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "command_reference",
    "spec_reference",
]
exclude_patterns = ["_build", "development/acme", "examples"]

default_role = "py:obj"
smartquotes_action = "qe"  # two hyphens begin an option
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections name the types
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
# Plain words: links to Python's own documentation would need the network.
_PLAIN = {"bool", "int", "iterable", "list", "mapping", "object", "sequence", "str", "tuple"}
numpydoc_xref_ignore = {*_PLAIN, "of", "optional", "or", "path", "to"}
numpydoc_xref_aliases = {
    **{word: word for word in _PLAIN},
    "ClusterSpec": "dask_ctl.spec.cluster_spec.ClusterSpec",
    "Problem": "dask_ctl.exceptions.Problem",
    "Located": "dask_ctl.spec.located.Located",
    "Origin": "dask_ctl.spec.located.Origin",
    "Overridden": "dask_ctl.spec.resolved.Overridden",
    "ResolvedSpec": "dask_ctl.spec.resolved.ResolvedSpec",
    "Source": "dask_ctl.spec.located.Source",
}
toc_object_entries = False
myst_enable_extensions = ["colon_fence", "deflist", "substitution"]
myst_heading_anchors = 3
_FLOORS = {name: floor for name, _, floor in (d.partition(">=") for d in _PROJECT["dependencies"])}
myst_substitutions = {
    "version": release,
    "python": _PROJECT["requires-python"].removeprefix(">="),
    "dask": _FLOORS["dask"],
}
highlight_language = "text"  # what is typed into a shell
# The copied text is what is typed: no prompt, and nothing that was printed.
copybutton_prompt_text = "$ "

# dask-sphinx-theme has the look of Dask's own pages, and also their account of Google Analytics.
html_theme = "pydata_sphinx_theme"
html_title = f"dask_ctl {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_sidebars = {"index": []}
html_context = {
    "github_user": "dask-contrib",
    "github_repo": "dask-ctl",
    "github_version": "main",
    "doc_path": "docs",
}
html_theme_options = {
    "logo": {"text": html_title},
    "github_url": _PROJECT["urls"]["Source"],
    "use_edit_page_button": True,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": {"**": ["page-toc", "edit-this-page"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "github-dark",
}
