"""PostgreSQL and Redis from the binaries of two wheels, as child processes."""
