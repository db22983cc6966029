"""A provider of nobody's money: it does what it is told to, and tells it by signed events."""
