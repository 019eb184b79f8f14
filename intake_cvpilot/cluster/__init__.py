"""A fetch over the workers of a ``dask.distributed`` cluster.

The caller lists the partitions and hands each to a worker as one task, which is its only writer;
the blocks of a partition are tasks of their own, so that all workers build them.  What they share
is the cache's folder.  Nothing here, nor distributed, is imported before a cluster is used.
"""
