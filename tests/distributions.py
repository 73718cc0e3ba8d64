"""Packages with discovery methods, installed as pip would leave them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

CLUSTERS = """
class Cluster:
    def __init__(self, name):
        self.name = name
        self.scheduler_address = f"tcp://{name}"
        self.scheduler_info = {"workers": {"w": {"nthreads": 3, "memory_limit": 5}}}

    @classmethod
    def from_name(cls, name, asynchronous=False):
        return cls(name)

    def __await__(self):
        async def started():
            return self
        return started().__await__()

    async def close(self):
        pass
"""

GOOD = """
async def discover():
    yield "one", Cluster
    yield "two", Cluster
"""


def install(folder: Path, name: str, source: str, *, function: str = "discover") -> Path:
    """Write a distribution that registers the discovery method `name`.

    Parameters
    ----------
    folder : Path
        What is on the path of modules.
    name : str
        The method; its distribution is ``<name>-dist`` 1.0, and its module ``<name>_module``.
    source : str
        The module, which has the class `Cluster` of `CLUSTERS` already. Its import leaves the
        file ``<name>.imported`` in `folder`.
    function : str
        What its entry point names in the module.

    Returns
    -------
    imported : Path
        The file that an import leaves.
    """
    imported = folder / f"{name}.imported"
    mark = f"import pathlib\npathlib.Path({str(imported)!r}).touch()\n"
    (folder / f"{name}_module.py").write_text(mark + CLUSTERS + dedent(source))
    about = folder / f"{name}_dist-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        f"[dask_cluster_discovery]\n{name} = {name}_module:{function}\n"
    )
    return imported
