"""What letters say, in Chinese and English. Pure: a story in, a letter out."""
