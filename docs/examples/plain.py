from dask.distributed import Client

client = Client()
print(client.submit(sum, [1, 2]).result())
