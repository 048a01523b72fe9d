"""Servers that answer as those of one family do, each behaviour with its source."""
