from dask_ctl import resolve_spec

resolved = resolve_spec()
print(resolved.spec.target)
for key, origin in resolved.origins.items():
    print(f"{key}: {origin.source.label}, {origin}")
