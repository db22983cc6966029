"""Work at our own pace, safe to repeat."""
