"""Documents that are no specs, and the one line that says so.

`seen` is the first stage that can see what is wrong: "read" needs only the text, "made" needs the
backend or the environment.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise

GOOD = "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
SHAPE = "a spec is a mapping with 'module' and 'class'"
MANY = "holds more than 10000 values; is it the right file, and do aliases repeat?"
OTHER = "rename it, or name the spec that is meant: create_cluster('my-spec.yaml')"
NO_MONTH = (
    "month must be in 1..12, not 13" if sys.version_info >= (3, 14) else "month must be in 1..12"
)
KNOWN = (
    "what the class takes goes under 'kwargs'; known: version, extends, when, module, class, args, "
    "kwargs, scale, adapt, env, config, idle_timeout"
)


@dataclass(frozen=True)
class BadSpec:
    """One of them; `FILE` in the message stands for the file's name."""

    name: str
    text: str | bytes
    message: str
    seen: str = "read"
    code: int = 4


BAD_DOCUMENTS = [
    # -- the document
    BadSpec("empty", "", f"FILE: is empty; {SHAPE}"),
    BadSpec("only a comment", "# nothing\n", f"FILE: is empty; {SHAPE}"),
    BadSpec("null", "null\n", f"FILE:1: is empty; {SHAPE}"),
    BadSpec("empty mapping", "{}\n", f"FILE:1: is empty; {SHAPE}"),
    BadSpec("list", "- module: a\n", f"FILE:1: is a list, not a mapping; {SHAPE}"),
    BadSpec("string", "LocalCluster\n", f"FILE:1: is a string, not a mapping; {SHAPE}"),
    BadSpec("number", "7\n", f"FILE:1: is a number, not a mapping; {SHAPE}"),
    BadSpec(
        "unclosed bracket",
        GOOD + "args: [1\n",
        "FILE:5: not valid YAML: did not find expected ',' or ']' (column 1); mend the file",
    ),
    BadSpec(
        "stray colon",
        GOOD + "kwargs: a: b\n",
        "FILE:4: not valid YAML: mapping values are not allowed in this context (column 10); "
        "mend the file",
    ),
    BadSpec(
        "tab",
        GOOD + "kwargs:\n\tn_workers: 1\n",
        "FILE:5: not valid YAML: found character that cannot start any token (column 1); "
        "indent with spaces: YAML takes no tabs there",
    ),
    BadSpec(
        "two documents",
        GOOD + "---\n" + GOOD,
        "FILE:4: not valid YAML: but found another document (column 1); mend the file",
    ),
    BadSpec(
        "unknown tag",
        GOOD + "args: [!!python/object:os.system x]\n",
        "FILE:4: args.0: not valid YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object:os.system'; mend the file",
    ),
    BadSpec(
        "undefined alias",
        GOOD + "args: [*nothing]\n",
        "FILE:4: args.0: not valid YAML: found undefined alias (column 8); mend the file",
    ),
    BadSpec(
        "undefined alias in a mapping",
        GOOD + "kwargs:\n  a: {b: [1, *x]}\n",
        "FILE:5: kwargs.a.b.1: not valid YAML: found undefined alias (column 14); mend the file",
    ),
    BadSpec(
        "impossible date",
        GOOD + "args: [2026-13-45]\n",
        f"FILE:4: args.0: not a valid value: {NO_MONTH}; mend the file",
    ),
    BadSpec(
        "impossible boolean",
        GOOD + "args: [!!bool maybe]\n",
        "FILE:4: args.0: not a valid value: 'maybe'; mend the file",
    ),
    BadSpec(
        "not UTF-8", b"version: 1\nmodule: \xff\n", "FILE: is not UTF-8 (byte 19); save it as UTF-8"
    ),
    BadSpec(
        "control character",
        GOOD + "args: ['\x07']\n",
        "FILE: not valid YAML: unacceptable character #x0007: control characters are not allowed; "
        "mend the file",
    ),
    BadSpec(
        "duplicate key",
        GOOD + "kwargs:\n  a: 1\n  b: 2\n  a: 3\n",
        "FILE:7: kwargs.a: given twice, in lines 5 and 7; keep one of the two",
    ),
    BadSpec(
        "duplicate key at the top",
        GOOD + "class: Other\n",
        "FILE:4: class: given twice, in lines 3 and 4; keep one of the two",
    ),
    BadSpec(
        "deep nesting",
        GOOD + "args: " + "[" * 200 + "]" * 200 + "\n",
        "FILE:4: args.0.0: nested more than 100 levels deep; a spec is flat; is it the right file?",
    ),
    BadSpec(
        "contains itself",
        GOOD + "args: &a [*a]\n",
        "FILE:4: args: contains itself; write the values out",
    ),
    BadSpec(
        "alias bomb",
        GOOD
        + "args:\n- &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(f"- &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefg")),
        f"FILE:8: args.3: {MANY}",
    ),
    BadSpec(
        "merge of a string",
        GOOD + "kwargs:\n  <<: text\n",
        "FILE:5: kwargs: '<<' takes a mapping, or a list of mappings; mend the file",
    ),
    BadSpec(
        "list as a key",
        GOOD + "kwargs:\n  ? [a]\n  : 1\n",
        "FILE:5: kwargs: a key must be a plain value; mend the file",
    ),
    BadSpec(
        "many values",
        GOOD + "args:\n" + "- 1\n" * 9_998,
        f"FILE:9996: args.9991: {MANY}",
    ),
    BadSpec(
        "many digits, each a place of sixty",
        GOOD + f"kwargs: {{n: {':'.join(['59'] * 2_000)}}}\n",
        "FILE:4: kwargs.n: a number of more than 1024 bits; write it as text",
    ),
    BadSpec(
        "a secret as a name",
        "version: 1\nmodule: my_${env:DB_PASSWORD}\nclass: LocalCluster\n",
        "FILE:2: module: is shown wherever the cluster is, and a variable of this name holds a "
        "secret; use another variable",
    ),
    BadSpec(
        "placeholders in placeholders",
        GOOD + f"kwargs: {{name: '{'${env:A:-' * 200}{'}' * 200}'}}\n",
        f"FILE:4: kwargs.name: {repr('${env:A:-' * 10)[:80]} is not a variable; write "
        "${env:NAME} or ${env:NAME:-default}",
        seen="made",
    ),
    BadSpec(
        "a default that is too long to be a value",
        GOOD + f"kwargs: {{name: '${{env:A:-{'x' * 70_000}}}'}}\n",
        "FILE:4: kwargs.name: a value of more than 65536 characters; put it into a file",
        seen="made",
    ),
    BadSpec(
        "too large",
        GOOD + "#" * (1 << 18),
        f"FILE: has {len(GOOD) + (1 << 18)} bytes, more than the 262144 that a spec may have; "
        "is it the right file?",
    ),
    # -- the keys
    BadSpec(
        "no version",
        "module: dask.distributed\nclass: LocalCluster\n",
        "FILE:1: version: missing; a spec file starts with 'version: 1'",
    ),
    BadSpec(
        "no module",
        "version: 1\nclass: LocalCluster\n",
        "FILE:1: module: missing; add 'module: dask.distributed'",
    ),
    BadSpec(
        "no class",
        "version: 1\nmodule: dask.distributed\n",
        "FILE:1: class: missing; add 'class: LocalCluster'",
    ),
    BadSpec(
        "only kwargs",
        "version: 1\nkwargs: {n_workers: 1}\n",
        "FILE:1: module: missing; add 'module: dask.distributed'",
    ),
    BadSpec(
        "misspelt key",
        GOOD + "kwarg:\n  n_workers: 1\n",
        "FILE:4: kwarg: unknown key; did you mean 'kwargs'?",
    ),
    BadSpec(
        "key in capitals",
        GOOD + "KWARGS: {}\n",
        "FILE:4: KWARGS: unknown key; did you mean 'kwargs'?",
    ),
    BadSpec("unknown key", GOOD + "zzz: 1\n", f"FILE:4: zzz: unknown key; {KNOWN}"),
    BadSpec("number as a key", GOOD + "1: 1\n", f"FILE:4: 1: unknown key; {KNOWN}"),
    BadSpec(
        "argument at the top",
        GOOD + "n_workers: 1\n",
        f"FILE:4: n_workers: unknown key; {KNOWN}",
    ),
    BadSpec(
        "dask configuration",
        "distributed:\n  worker:\n    memory: {}\n",
        "FILE:1: distributed: this is a dask configuration file, not a spec; put it into "
        "~/.config/dask or name it in DASK_CONFIG; a spec has 'module' and 'class' at its top "
        "level",
    ),
    BadSpec(
        "dask configuration of ours",
        "ctl:\n  cluster-spec: x.yaml\n",
        "FILE:1: ctl: this is a dask configuration file, not a spec; put it into "
        "~/.config/dask or name it in DASK_CONFIG; a spec has 'module' and 'class' at its top "
        "level",
    ),
    BadSpec(
        "cluster_class",
        'cluster_class: "dask_jobqueue.SLURMCluster"\ncluster_kwargs: {cores: 1}\n',
        "FILE:1: cluster_class: belongs to another tool; write 'cluster_class: package.Name' as "
        "'module: package' and 'class: Name'",
    ),
    BadSpec(
        "adapt_kwargs",
        GOOD + "adapt_kwargs: {maximum: 4}\n",
        "FILE:4: adapt_kwargs: belongs to another tool; write 'adapt_kwargs' as 'adapt'",
    ),
    BadSpec(
        "cluster_kwargs",
        GOOD + "cluster_kwargs: {n: 4}\n",
        "FILE:4: cluster_kwargs: belongs to another tool; write 'cluster_kwargs' as 'kwargs'",
    ),
    BadSpec(
        "local_workers",
        GOOD + "local_workers: 2\n",
        "FILE:4: local_workers: is not supported; no class adds workers of this machine to its "
        "own; start them beside it: dask cluster run --name NAME -- dask worker",
    ),
    BadSpec(
        "factory",
        "factory: {module: dask.distributed, class: LocalCluster}\n",
        "FILE:1: factory: belongs to another tool; write the 'module', 'class', 'args' and "
        "'kwargs' of 'factory' at the top level",
    ),
    BadSpec(
        "_target_",
        "_target_: dask.distributed.LocalCluster\nn_workers: 2\n",
        "FILE:1: _target_: belongs to another tool; write '_target_: package.Name' as 'module: "
        "package' and 'class: Name', and the other keys under 'kwargs'",
    ),
    # -- files of others
    BadSpec(
        "another tool's, nobody knows whose",
        "stages: [build]\nbuild: {script: [make]}\n",
        f"FILE:1: is not a spec: it has no key of one; {SHAPE}",
    ),
    BadSpec(
        "Kubernetes manifest",
        "apiVersion: kubernetes.dask.org/v1\nkind: DaskCluster\nmetadata: {name: x}\n",
        f"FILE:1: is a Kubernetes manifest, not a spec; {OTHER}",
    ),
    BadSpec(
        "two Kubernetes manifests",
        "apiVersion: v1\nkind: Service\n---\napiVersion: v1\nkind: Pod\n",
        f"FILE: is a Kubernetes manifest, not a spec; {OTHER}",
    ),
    BadSpec(
        "compose file",
        'version: "3"\nservices:\n  scheduler: {image: dask}\n',
        f"FILE:1: is a compose file, not a spec; {OTHER}",
    ),
    *(
        BadSpec(text.partition(":")[0], text, f"FILE:1: is {what}, not a spec; {OTHER}")
        for text, what in (
            ("kind: ConfigMap\nmetadata: {name: a}\n", "a Kubernetes manifest"),
            ("apiVersion: v2\nname: dask\nversion: 1.2.3\n", "the description of a Helm chart"),
            ("gateway: {backend: {}}\ntraefik: {}\n", "the values of a Helm chart"),
            ("channels: [conda-forge]\ndependencies: [dask]\n", "a conda environment"),
        )
    ),
    BadSpec(
        "values of a chart",
        "scheduler:\n  replicas: 1\nworker:\n  replicas: 3\n",
        f"FILE:1: is the values of a Helm chart, not a spec; {OTHER}",
    ),
]
