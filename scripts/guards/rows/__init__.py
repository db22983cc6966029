"""The guards, one module per part of the house."""
