"""One adapter per provider behind one interface."""
