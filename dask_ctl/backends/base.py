"""What the layer asks of a class of clusters, and what is answered where nothing is known."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, Literal

from dask_ctl import _private
from dask_ctl.backends import address, ending, logs, plans, servers, signature
from dask_ctl.backends.facts import Facts
from dask_ctl.backends.ledger import Ledger
from dask_ctl.backends.sighting import Sighting
from dask_ctl.exceptions import BackendError, DaskCtlError, Problem
from dask_ctl.spec.secrets import written


class Backend(Facts):
    """The room of a class: everything that must be known of it, and of no other.

    This one needs only what distributed's ``Cluster`` has; packages add theirs as entry points.

    Parameters
    ----------
    target : class or function
        What a spec names.
    """

    def __init__(self, target: Any) -> None:
        self.target = target

    @property
    def name(self) -> str:
        """The class by its name: ``LocalCluster``."""
        return str(getattr(self.target, "__name__", self.target))

    # -- before the call -----------------------------------------------------------------------

    def can(self, verb: Literal["scale", "adapt"]) -> bool:
        """Whether what the target makes can ``scale`` or ``adapt``.

        Of what a function makes that is known when it has been made.
        """
        if inspect.isclass(self.target):
            return hasattr(self.target, verb) and not _private.has_fixed_size(self.target)
        return True

    def imports_main(self, kwargs: Mapping[str, Any]) -> bool:
        """Whether processes are started that import the script's file, as multiprocessing does."""
        return not self.by_command

    def takers(self, kwargs: Mapping[str, Any]) -> tuple[list[Any], bool]:
        """The classes and functions that take keyword arguments, and whether these are all.

        Any class may hand its ``**kwargs`` to whatever it likes, so here they are not.
        """
        return [self.target], False

    def parts(self, kwargs: Mapping[str, Any]) -> dict[str, list[Any]]:
        """What takes the arguments in those that hold arguments of something else.

        Nothing, where that is of a class that is not known.
        """
        return servers.of_servers(kwargs) if self.options_of_servers else {}

    def section(
        self, classes: Iterable[str], kwargs: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, str]] | None:
        """The part of dask's configuration that the class itself reads, by the names of its bases.

        With it come the arguments that are called otherwise there: by the key the argument.
        """
        return None

    def refusals(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """What the class would refuse: its own error is raised, and these explain it."""
        if self.options_of_servers:
            yield from servers.not_objects(kwargs)
            yield from servers.unreadable(kwargs)
        if self.makes_credentials and kwargs.get("security") is False:
            yield Problem("must not be false", "leave it out", key="kwargs.security")

    def problems(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """What is wrong with the values of keyword arguments; keys begin with ``kwargs.``."""
        return iter(())

    def doubts(self, kwargs: Mapping[str, Any]) -> list[Problem]:
        """Warnings of what its service, which is asked and given little time, does not know."""
        return []

    def require(self, kwargs: Mapping[str, Any], env: Mapping[str, str]) -> None:
        """Look, without the network, for what the call would only fail or hang for later.

        Raises
        ------
        BackendError
            If that is missing.
        """

    def plan(self, args: list[Any], kwargs: Mapping[str, Any]) -> str:
        """What would be started, as text, with nothing started; at least the call."""
        return plans.call(self.name, args, kwargs)

    def group(self, kwargs: Mapping[str, Any]) -> int | None:
        """How many workers come and go together as one job; None if they are in no jobs."""
        return None

    def with_variables(
        self, kwargs: Mapping[str, Any], variables: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """The keyword arguments that give workers and another scheduler variables; None: no way."""
        return None

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """The keyword arguments that end the cluster when it has been idle; None: no way."""
        return None

    # -- the call ------------------------------------------------------------------------------

    def prepared(
        self, kwargs: Mapping[str, Any], env: Mapping[str, str], ledger: Ledger | None
    ) -> dict[str, Any]:
        """The keyword arguments to call the target with."""
        return dict(kwargs)

    def calling(
        self, kwargs: Mapping[str, Any], *, asynchronous: bool
    ) -> AbstractContextManager[dict[str, Any]]:
        """What is held during the call; it gives further keyword arguments."""
        return nullcontext({})

    def call(self, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call the target."""
        __tracebackhide__ = True
        return self.target(*args, **kwargs)

    def half_built(self, error: BaseException) -> Any | None:
        """The cluster whose call `error` has ended; None if nothing of it has begun."""
        return ending.half_built(error)

    def start(self, cluster: Any, kwargs: Mapping[str, Any]) -> Any:
        """What to await inside a running loop, so that a cluster starts."""
        return cluster

    def existed(self, cluster: Any) -> bool:
        """Whether making `cluster` only connected to one that was there before."""
        return False

    def adapt_options(self, cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments to call ``cluster.adapt`` with."""
        return dict(options)

    def settle(self, cluster: Any) -> Any:
        """Wait until all that was asked for can be named; in a running loop, give what to await."""

    def before_scaling(self, cluster: Any) -> None:
        """Do what is due before a cluster that a host owns is scaled, or adapts."""

    def waiting_for(self, cluster: Any, timeout: float) -> str | None:
        """What workers that were asked for wait for, in a few words; None if that is not known.

        It may block for `timeout` seconds, so it is not asked in an event loop.

        Raises
        ------
        BackendError
            If its service cannot be asked.
        """
        return None

    def waits_for(self, kwargs: Mapping[str, Any], timeout: float) -> str | None:
        """The same of a cluster that is known by its name only, as while it is being made."""
        return None

    def before_close(self, cluster: Any) -> None:
        """Wait for what must have happened before `cluster` may close."""

    def close(self, cluster: Any) -> Any:
        """End what a script has made; in a running loop, give what to await."""
        return cluster.close()

    def adopt(self, cluster: Any, ledger: Ledger | None) -> None:
        """Do what `prepared` does, for a cluster that a function or a class of no room has made."""

    # -- a cluster that lives on ---------------------------------------------------------------

    def owner_note(self, name: str | None) -> str | None:
        """What to say of the process that owns a cluster, which has a name if it lives on."""
        return None

    def shareable(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments with which other processes can reach the cluster."""
        return {}

    def environment(self, cluster: Any, write: Callable[[str, str], str]) -> dict[str, str]:
        """The variables with which ``Client()`` in another process finds `cluster`.

        Parameters
        ----------
        cluster : object
            A live cluster.
        write : callable
            Writes a file, given its name and its text, and returns its path. Only the user can
            read it, and it is removed when the process has ended.

        Raises
        ------
        BackendError
            If no other process can reach it so.
        """
        return address.variables_of(cluster)

    @property
    def can_be_left(self) -> bool:
        """Whether a cluster can be left running, and found again by its name.

        distributed's own classes have a ``from_name`` that only raises.
        """
        return inspect.isclass(self.target) and any(
            "from_name" in vars(base) and not base.__module__.startswith("distributed.")
            for base in self.target.__mro__
        )

    def remembered(self, cluster: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """What is needed, besides its name, to connect to `cluster` again, its variables kept."""
        return written(kwargs, tuple(inspect.signature(self.target.from_name).parameters)[1:])

    def connect(self, name: str, arguments: Mapping[str, Any], *, asynchronous: bool) -> Any:
        """A cluster object, which leaves it running; inside a loop it is yet to be awaited."""
        takes_it = signature.accepts(self.target.from_name, "asynchronous")
        known = {"asynchronous": asynchronous} if takes_it else {}  # the older tool: name alone
        return self.target.from_name(name, **known, **arguments)

    def addresses(self, cluster: Any) -> tuple[str | None, str | None]:
        """Where its scheduler and its dashboard are, for others than this process, too."""
        return cluster.scheduler_address, getattr(cluster, "dashboard_link", None)

    async def confirm(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Raise `NoSuchClusterError` if the service answers that it has no such cluster."""

    def delete(self, name: str, arguments: Mapping[str, Any], deadline: float) -> None:
        """End a cluster, and wait until nothing is left of it.

        Parameters
        ----------
        name, arguments
            As of `connect`.
        deadline : float
            When to give up, as `time.monotonic` counts.

        Raises
        ------
        BackendError
            If it cannot be ended from here, or is not gone by then.
        """
        cluster = self.connect(name, arguments, asynchronous=False)
        cluster.shutdown_on_close = True
        cluster.close()

    def logs(
        self, name: str, arguments: Mapping[str, Any], wanted: logs.Wanted
    ) -> Iterator[tuple[str, str]]:
        """What is wanted of the logs of a cluster's parts: pairs of a part's name and its text."""
        wanted.refuse_to_follow(self.name)
        if not hasattr(self.target, "get_logs"):
            raise BackendError(f"{self.name} gives no logs", remedy="ask its service for them")
        with closing(self.connect(name, arguments, asynchronous=False)) as cluster:
            yield from logs.of_cluster(cluster, wanted)

    def snippet(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
        """The import and the call that give a cluster object of a running cluster, as Python."""
        own = f"{self.target.__module__}.{self.target.__qualname__}"
        public = self.public_name if own in self.classes and self.public_name else own
        return plans.connecting(public, name, arguments)

    # -- what its service knows ----------------------------------------------------------------

    @classmethod
    def is_configured(cls) -> bool:
        """Whether there is a service to ask here; it must be cheap, and import nothing."""
        return False

    @classmethod
    def sightings(cls) -> AsyncIterator[Sighting | DaskCtlError]:
        """The clusters that the service has; errors of what could not be asked."""
        raise NotImplementedError
