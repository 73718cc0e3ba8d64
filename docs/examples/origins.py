from dask_ctl import resolve_spec

print(resolve_spec())
