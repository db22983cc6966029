"""What the service does per second, beside what its database allows on the same machine.

1. The real service, as ``make run`` starts it: real rules, fsync and synchronous_commit on.
2. The ruler is pgbench on the same PostgreSQL server, in a database of its own. Service and ruler
   take turns within one run, so that a noisy machine is noisy for both.
3. Tables are filled and analyzed first: plans made for empty tables are not the ones that run.
4. Only this folder knows that it is being measured: nothing in the service does.
"""
