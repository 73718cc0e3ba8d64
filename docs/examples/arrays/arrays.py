import dask.array
import xarray
from dask.distributed import Client
from dask_ctl import create_cluster

client = Client(create_cluster(local_fallback=True))

days, places = 365, 1000
values = dask.array.arange(days * places, chunks=30 * places).reshape(days, places)
print(values.sum().compute())

temperature = xarray.DataArray(values, dims=("day", "place"))
print(float(temperature.mean("day").max()))
