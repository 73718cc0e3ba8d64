"""What dask_ctl costs, compared with what a user would do without it."""
