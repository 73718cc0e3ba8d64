"""What is simply so for the classes of a room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class Facts:
    """The facts of a room, with what holds for a class of which nothing is known.

    Attributes
    ----------
    classes : tuple of str
        The full names, where they are defined, of its classes and functions; subclasses follow.
    public_name : str or None
        The full name by which users import the class, if that is another.
    packages : mapping of str to str
        For each module of the backend what ``pip`` installs.
    gone : mapping of str to str
        For each class that these modules once had what to use now.
    templates : tuple of str
        What ``spec init`` writes: files ``templates/<name>.yaml`` beside the room's module.
    commands : mapping of str to str
        For templates a command that is found where they can be used.
    place : str or None
        The argument that says where a name is unique, if that is not everywhere.
    service : str or None
        The name of the discovery method that `sightings` is.
    broken_methods : mapping of str to str
        Its packages' discovery methods that do not work, and are left out: why.
    starts_empty : bool
        Whether a cluster starts without workers until it is scaled.
    by_command : bool
        Whether all that is started is started by commands or by a service, if anything is.
    launcher : str or None
        Of a class whose every process becomes a part of the cluster: what starts these.
    ends_by_name : bool
        Whether `close` ends whatever has begun of a cluster, at any moment and by its name alone.
    by_address : bool
        Whether all that is needed to connect to a cluster again is its address.
    read_by_shell : tuple of str
        The arguments with paths that a shell reads, so that it replaces ``$NAME`` and ``~``.
    inherits_config : bool
        Whether the class itself hands the configuration of the calling process on.
    makes_credentials : bool
        Whether ``security=True`` gives a cluster TLS with credentials of its own.
    options_of_servers : bool
        Whether ``scheduler_options`` and their like are arguments of distributed's own servers.
    counted : mapping of str to int
        The least of arguments that are calculated with, for which the text of a number will not do.
    accepted : mapping of str to tuple of type
        What arguments take besides the kinds of values that their classes name.
    variables_remedy : str
        What to do where `with_variables` knows no way.
    meant : mapping of str to str
        What to do about names that are no arguments, but those of other tools for the same.
    """

    classes: ClassVar[tuple[str, ...]] = ()
    public_name: ClassVar[str | None] = None
    packages: ClassVar[Mapping[str, str]] = {
        module: module.replace("_", "-")
        for module in ("dask", "dask_cuda", "dask_mpi", "dask_yarn", "distributed")
    }
    gone: ClassVar[Mapping[str, str]] = {}
    templates: ClassVar[tuple[str, ...]] = ()
    commands: ClassVar[Mapping[str, str]] = {}
    place: ClassVar[str | None] = None
    service: ClassVar[str | None] = None
    broken_methods: ClassVar[Mapping[str, str]] = {}
    starts_empty: ClassVar[bool] = False
    by_command: ClassVar[bool] = False
    launcher: ClassVar[str | None] = None
    ends_by_name: ClassVar[bool] = False
    by_address: ClassVar[bool] = False
    read_by_shell: ClassVar[tuple[str, ...]] = ()
    inherits_config: ClassVar[bool] = False
    makes_credentials: ClassVar[bool] = False
    options_of_servers: ClassVar[bool] = False
    counted: ClassVar[Mapping[str, int]] = {"n_workers": 0}
    accepted: ClassVar[Mapping[str, tuple[type, ...]]] = {
        "dashboard_address": (int, bool),
        "preload": (str,),
    }
    variables_remedy: ClassVar[str] = "see the documentation of its class"
    meant: ClassVar[Mapping[str, str]] = {}
