"""The pictures of README and docs: what two commands print, as a terminal would show it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parent
PICTURES = DOCS / "_static"
SPEC = """\
version: 1
module: dask_jobqueue
class: SLURMCluster
kwargs:
  cores: 4
  memory: 16GB
scale: 10
"""
LOCAL = """\
version: 1
module: dask.distributed
class: LocalCluster
kwargs: {n_workers: 4, threads_per_worker: 2, memory_limit: 2GB, dashboard_address: ":0"}
"""
STYLES = {r"#.*": "bright_black", r"^[\w-]+:|^  \w+:": "cyan", r"\brunning\b": "green"}


# What is new each time, as one would see it: the port of a scheduler, and the age of a cluster.
AS_SHOWN = {r"(tcp://127\.0\.0\.1):\d+": r"\1:40001", r"\b\d+s +(?=recorded)": "2s   "}


def picture(path: Path, typed: str, printed: str, heading: str = "") -> None:
    """Write what was typed and printed as an SVG."""
    text = Text()
    for line in typed.splitlines():
        text.append("$ ", "bright_black").append(f"{line}\n", "bold")
    for line in printed.rstrip().splitlines():
        shown = Text(f"{line}\n")
        if line.startswith(heading) and heading:
            shown.stylize("bold")
        else:
            for pattern, style in STYLES.items():
                shown.highlight_regex(pattern, style)
        text.append_text(shown)
    width = max(map(len, text.plain.splitlines()))
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=width, file=nowhere, force_terminal=True)
        console.print(text, end="", soft_wrap=True)
    svg = console.export_svg(title=typed.splitlines()[-1], unique_id=path.stem)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # which the network would have
    path.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")


def main(folder: Path = PICTURES) -> None:
    """Run the commands in a home of their own, and write their pictures into a folder."""
    with tempfile.TemporaryDirectory() as home:
        here = Path(home, "project")
        here.mkdir()
        scripts = Path(sys.executable).parent
        env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("DASK_")},
            "HOME": home,
            "XDG_STATE_HOME": f"{home}/state",
            "XDG_CONFIG_HOME": f"{home}/config",
            "DASK_CTL__DISABLE_DISCOVERY": "['schedulers']",
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        }

        def printed(command: str, more: Mapping[str, str] = {}) -> str:
            words = ["dask", "cluster", *command.split()]
            run = subprocess.run(
                words, cwd=here, env={**env, **more}, capture_output=True, text=True, check=True
            )
            text = run.stdout
            for new, shown in AS_SHOWN.items():
                text = re.sub(new, shown, text)
            return text

        spec = here / "dask-cluster.yaml"
        spec.write_text(SPEC)
        variable = {"DASK_CTL__CLUSTER_KWARGS__CORES": "8"}
        picture(
            folder / "spec-show.svg",
            "export DASK_CTL__CLUSTER_KWARGS__CORES=8\ndask cluster spec show",
            printed("spec show", variable),
        )
        spec.write_text(LOCAL)
        names = ("analysis", "notebook")
        try:
            for name in names:
                printed(f"create --name {name} --wait 4")
            found = printed("list recorded")
        finally:
            for name in names:
                printed(f"delete {name} --yes")
        picture(folder / "list.svg", "dask cluster list", found, heading="NAME")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
