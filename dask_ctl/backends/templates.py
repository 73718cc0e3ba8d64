"""Commented specs to start from, one for each backend."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_JOBS: Final = """\
kwargs:
  cores: 4            # threads of one job, over all its processes
  memory: 8GB         # memory of one job
  processes: 1        # worker processes of one job
  walltime: '12:00:00'  # in quotes: YAML reads 12:00:00 as the number 43200
scale: 2              # workers to ask for; or, instead: adapt: {maximum: 10}
"""


@dataclass(frozen=True)
class Template:
    """What a backend needs.

    Parameters
    ----------
    about : str
        What it is, in one line.
    module, class_ : str
        What to call.
    body : str
        The rest of the spec, as YAML.
    """

    about: str
    module: str
    class_: str
    body: str


def _jobs(system: str, class_: str) -> Template:
    return Template(f"Jobs of {system}, by dask-jobqueue.", "dask_jobqueue", class_, _JOBS)


def _without_walltime(template: Template) -> Template:
    body = "".join(line for line in template.body.splitlines(True) if "walltime" not in line)
    return Template(template.about, template.module, template.class_, body)


TEMPLATES: Final = {
    "local": Template(
        "Processes on this machine.",
        "dask.distributed",
        "LocalCluster",
        "kwargs:\n  n_workers: 2\n  threads_per_worker: 1\n",
    ),
    "slurm": _jobs("Slurm", "SLURMCluster"),
    "slurm-runner": Template(
        "The ranks of one Slurm job: srun -n 4 python myscript.py",
        "dask_jobqueue.slurm",
        "SLURMRunner",
        "kwargs:\n  worker_options: {nthreads: 1}\n",
    ),
    "mpi": Template(
        "The ranks of one run of MPI: mpirun -n 4 python myscript.py",
        "dask_ctl.mpi",
        "MPIRunner",
        "kwargs:\n  worker_options: {nthreads: 1}\n",
    ),
    "sge": _jobs("Grid Engine", "SGECluster"),
    "pbs": _jobs("PBS", "PBSCluster"),
    "lsf": _jobs("LSF", "LSFCluster"),
    "oar": _jobs("OAR", "OARCluster"),
    "moab": _jobs("Moab", "MoabCluster"),
    "htcondor": Template(
        "Jobs of HTCondor, by dask-jobqueue.",
        "dask_jobqueue",
        "HTCondorCluster",
        _without_walltime(_jobs("", "")).body.replace(
            "scale:", "  disk: 4GB           # scratch space of one job\nscale:"
        ),
    ),
    "ssh": Template(
        "Machines reached by SSH: the scheduler on the first, workers on the others.",
        "dask.distributed",
        "SSHCluster",
        "args:\n  - [login.example.org, node1.example.org, node2.example.org]\n"
        "kwargs:\n  worker_options: {nthreads: 4}\n  scheduler_options: {port: 0}\n",
    ),
    "kubernetes": Template(
        "Pods on Kubernetes, by the operator of dask-kubernetes.",
        "dask_kubernetes.operator",
        "KubeCluster",
        "kwargs:\n  name: my-cluster\n  namespace: default\n"
        "  image: ghcr.io/dask/dask:latest\n  n_workers: 2\n",
    ),
    "proxy": Template(
        "A scheduler that somebody else started; it goes on when the script ends.",
        "dask_ctl.proxy",
        "ProxyCluster",
        "kwargs:\n  address: tcp://scheduler.example.org:8786\n",
    ),
    "gateway": Template(
        "A cluster of a dask-gateway server.",
        "dask_gateway",
        "GatewayCluster",
        "kwargs:\n  address: http://gateway.example.org\n"
        "scale: 2              # it starts without workers; or, instead: adapt: {maximum: 10}\n",
    ),
    "coiled": Template(
        "Machines in the cloud, by Coiled.",
        "coiled",
        "Cluster",
        "kwargs:\n  name: my-cluster\n  n_workers: 2\n",
    ),
    "ec2": Template(
        "Machines of Amazon EC2, by dask-cloudprovider.",
        "dask_cloudprovider.aws",
        "EC2Cluster",
        "kwargs:\n  region: eu-central-1\n  instance_type: t3.large\n  n_workers: 2\n",
    ),
    "fargate": Template(
        "Containers of Amazon Fargate, by dask-cloudprovider.",
        "dask_cloudprovider.aws",
        "FargateCluster",
        "kwargs:\n  image: ghcr.io/dask/dask:latest\n  n_workers: 2\n",
    ),
}


def template(backend: str) -> str:
    """A spec for a backend, as commented YAML.

    Parameters
    ----------
    backend : str
        One of `TEMPLATES`.

    Returns
    -------
    text : str
        The spec. Where the backend is installed, its other arguments follow as comments.
    """
    chosen = TEMPLATES[backend]
    lines = [
        f"# {chosen.about}",
        "# To see what it means: dask cluster spec show; if it works: dask cluster spec check",
        "version: 1",
        f"module: {chosen.module}",
        f"class: {chosen.class_}",
        *chosen.body.splitlines(),
        *_other_arguments(chosen),
    ]
    return "\n".join(lines) + "\n"


def _other_arguments(chosen: Template) -> Iterator[str]:
    try:
        target = getattr(importlib.import_module(chosen.module), chosen.class_)
        documented = dict(_documented(inspect.getdoc(target) or ""))
        parameters = inspect.signature(target).parameters
    except (ImportError, AttributeError, ValueError):
        yield f"# {chosen.module} is not installed here, so its other arguments are not listed."
        return
    given = set(re.findall(r"^  (\w+):", chosen.body, re.MULTILINE))
    others = {name: text for name, text in documented.items() if name not in given}
    defaults = {name: p.default for name, p in parameters.items()}
    if not others:
        return
    yield "#"
    yield f"# Other arguments of {chosen.class_}, for 'kwargs':"
    for name, text in others.items():
        if name in ("asynchronous", "loop", "kwargs", "args") or text.startswith("Deprecated"):
            continue
        yield f"#   {name}: {_literal(defaults.get(name))}"
        yield from (f"#     {line}" for line in textwrap.wrap(text, 92))


def _documented(doc: str) -> Iterator[tuple[str, str]]:
    """The parameters of a numpydoc docstring, each with its first sentence."""
    sections = re.split(r"^ *(\w[\w ]*)\n *-{3,}\n", doc, flags=re.MULTILINE)
    named = dict(zip(sections[1::2], sections[2::2], strict=True))
    body = textwrap.dedent(named.get("Parameters", "")) + "\n"
    for entry in re.finditer(r"^(\w+) *(?::[^\n]*)?\n((?:(?: +[^\n]*)?\n)+)", body, re.MULTILINE):
        text = " ".join(entry[2].split())
        yield entry[1], re.split(r"(?<=\.)\s", text)[0]


def _literal(value: Any) -> str:
    if value is inspect.Parameter.empty or value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else repr(value)
