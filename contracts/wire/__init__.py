"""What each HTTP door promises, field for field, where that differs from our own language."""
