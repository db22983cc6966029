"""How a long-lived process looks for memory that only cycles hold."""

import gc

# Hundreds of requests in flight hold this many objects for a moment; looking through them each
# time 700 were added, as Python would, takes a tenth of a busy process's time.
_NEW_OBJECTS = 10_000


def begin_forking() -> None:
    """Call it once before processes are forked: what is loaded by now stays in shared memory.

    A collection in one of them would write to every object, and so copy all of them.
    """
    gc.collect()
    gc.freeze()


def begin_serving() -> None:
    """Call it once when everything is built: what exists now stays, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 10)
