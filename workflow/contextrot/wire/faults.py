"""Requests that brought no answer, by what that means: whether time can heal it, whether it may have been billed, whether it ends the job.

Failure
├── RateLimited        the server asks to wait (429 and its kin)                              retried
├── ServerFault        5xx, overloaded, a model that is loading                               retried
├── NoConnection       none, or one that broke                                                retried
│   ├── Unreachable       refused, no route, no such name: nothing was sent
│   ├── Broken            it ended before anything came back                                  perhaps billed
│   └── StaleConnection   kept alive, and closed by the server meanwhile: no byte came        at once, as no attempt, perhaps billed
├── TimedOut           no complete answer in time                                             retried, perhaps billed
├── Unreadable         something came that is no answer                                       retried, perhaps billed
│   ├── Malformed         not in the protocol's form
│   ├── CutStream         it ended too early
│   └── NoChoices         it holds no choice
├── WrongModel         another model answered                                                 perhaps billed
├── OverWindow         the prompt is too long for the server: an outcome
├── ContentFilter      the provider's filter: an outcome
├── BadRequest         the server will never accept this request
└── Denied             no further request makes sense (key, model name)                       stops the job
    └── NoCredit          the account is empty
"""

from __future__ import annotations

NOT_BEGUN = frozenset({425, 429, 503, 529})
"""Statuses of a server that is too busy, or not ready, to begin with a request."""


class Failure(Exception):
    """A request that brought no answer.

    Args:
        message: what the server or the network said.
        status: HTTP status, if one came.
        retry_after: seconds that the server asked to wait, whatever the status.

    Attributes:
        kind: the name that is written to `error_type`.
        retried: whether the fault may heal by itself.
        billed: whether the provider may have billed it.
        stops: whether no other request of the job makes sense either.
    """

    kind = "failure"
    retried = False
    billed = False
    stops = False

    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message, self.status, self.retry_after = message, status, retry_after


class RateLimited(Failure):
    """The server asks to wait."""

    kind = "rate_limited"
    retried = True


class ServerFault(Failure):
    """The server's own fault, or a server that is not ready yet; unless its status says that it had not begun, it may have been billed."""

    kind = "server"
    retried = True

    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, status, retry_after)
        self.billed = status not in NOT_BEGUN


class NoConnection(Failure):
    """No connection, or one that broke before anything came back."""

    kind = "connection"
    retried = True


class Unreachable(NoConnection):
    """No connection could be made, so that nothing was sent."""


class Broken(NoConnection):
    """The connection ended after the request was sent, before anything came back."""

    billed = True


class StaleConnection(NoConnection):
    """A kept-alive connection that the server had closed meanwhile: the request is sent again at once and counts as no attempt."""

    billed = True


class TimedOut(Failure):
    """No complete answer in time."""

    kind = "timeout"
    retried = True
    billed = True


class Unreadable(Failure):
    """Something came that is no answer."""

    retried = True
    billed = True


class Malformed(Unreadable):
    """The reply is not in the protocol's form."""

    kind = "malformed"


class CutStream(Unreadable):
    """The reply ended too early."""

    kind = "cut_stream"


class NoChoices(Unreadable):
    """The reply holds no choice."""

    kind = "no_choices"


class WrongModel(Failure):
    """Another model answered."""

    kind = "wrong_model"
    billed = True


class OverWindow(Failure):
    """The prompt is too long for the server."""

    kind = "over_window"


class ContentFilter(Failure):
    """The provider's filter refused prompt or answer."""

    kind = "content_filter"


class BadRequest(Failure):
    """The server will never accept this request."""

    kind = "bad_request"


class Denied(Failure):
    """No request of this job can be answered: wrong key, no such model."""

    kind = "denied"
    stops = True


class NoCredit(Denied):
    """The account has no credit left."""

    kind = "no_credit"
