"""The cluster class of Acme."""

from distributed.core import Status, rpc
from distributed.deploy.cluster import Cluster
from distributed.objects import SchedulerInfo

from acme_dask import service


class AcmeCluster(Cluster):
    """A cluster on machines of Acme.

    Parameters
    ----------
    name : str
        What to call it.
    size : int
        How many workers it has.
    shutdown_on_close : bool
        Whether its machines are stopped when this is closed.
    **options
        Of its machines: ``flavour``.
    """

    _supports_scaling = False

    def __init__(self, name, size=1, shutdown_on_close=True, asynchronous=False, **options):
        self.shutdown_on_close = shutdown_on_close
        super().__init__(asynchronous=asynchronous, name=name)
        if name not in service.clusters():
            service.start(name, size, **options)
        if not self.called_from_running_loop:
            self._loop_runner.start()
            self.sync(self._start)

    @classmethod
    def from_name(cls, name, **kwargs):
        """The cluster of a name, which is left running when this is closed."""
        return cls(name, shutdown_on_close=False, **kwargs)

    def __await__(self):
        async def started():
            if self.status == Status.created:
                await self._start()
            return self

        return started().__await__()

    async def _start(self):
        self.scheduler_comm = rpc(service.clusters()[self.name]["address"])
        self.scheduler_info = SchedulerInfo(await self.scheduler_comm.identity())
        self.status = Status.running

    async def _close(self):
        await super()._close()
        if self.shutdown_on_close and self.name in service.clusters():
            service.stop(self.name)
