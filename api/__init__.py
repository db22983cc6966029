"""Front doors: decode, authorize, hand over a command, encode."""
