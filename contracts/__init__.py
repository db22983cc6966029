"""Our language: frozen structs that every room speaks."""
