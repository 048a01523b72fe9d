"""Fixtures of several unit tests."""

from tests.client_session import session

__all__ = ["session"]
