"""Errors of the clients.

ClientError
├── Refused             the server answered with a problem; the message lists every mistake
├── ServerAway          no server answered before the client's patience ended
├── UnusableProxy       the environment names a proxy that the client cannot use
├── NotIdentified       nothing, or several things, have the given name or beginning of an id
└── Damaged             a downloaded file differs from the server's
"""

from collections.abc import Sequence

import httpx

from cellgate.contract.api.problem import Problem


class ClientError(Exception):
    """Base of the errors that a client raises."""


class ServerAway(ClientError):
    """No server answered.

    Args:
        server: Base URL of the server.
        reason: How the last try ended.
        proxy: URL of the proxy that it went through; None for none.
    """

    def __init__(self, server: str, reason: str, *, proxy: str | None = None) -> None:
        self.server = server
        self.reason = reason
        self.proxy = proxy
        through = "" if proxy is None else f" through the proxy {proxy}"
        super().__init__(f"no answer from {server}{through} ({reason})")


class OtherRelease(ClientError):
    """The server answers in JSON, and otherwise than this release of the client expects.

    Args:
        server: Base URL of the server.
        path: That was asked.
        mistakes: What does not fit, each with its place.
    """

    def __init__(self, server: str, path: str, mistakes: Sequence[str]) -> None:
        self.server = server
        self.mistakes = list(mistakes)
        first, *others = mistakes
        more = f", and {len(others)} more" if others else ""
        super().__init__(
            f"{server} answers {path} otherwise than this release of the client expects ({first}{more}): it is of "
            "another release, or not Cellgate; use the client of its release, or upgrade the server"
        )


class UnusableProxy(ClientError):
    """`HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY` holds no URL of an HTTP proxy."""


class NotIdentified(ClientError):
    """Nothing, or several things, have the name or the beginning of an id that was given.

    Args:
        message: What to do; it lists the candidates.
        candidates: Ids of the newest of those that it may be, the newest last.
    """

    def __init__(self, message: str, *, candidates: Sequence[str] = ()) -> None:
        self.candidates = tuple(candidates)
        super().__init__(message)


class Refused(ClientError):
    """The server answered with a problem.

    Args:
        problem: The problem document.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.code = problem.code
        lines = [problem.detail or problem.title or f"the server answered {problem.status}"]
        lines += [f"  {item.pointer or '(body)'}: {item.detail}" for item in problem.errors]
        if problem.errors_left_out:
            lines.append(f"  and {problem.errors_left_out} more")
        super().__init__("\n".join(lines))


class Damaged(ClientError):
    """A download arrived with another SHA-256 than the server's file has."""


def checked(answer: httpx.Response, *, by: str = "the server") -> httpx.Response:
    """Return an answer that is no problem.

    Args:
        by: Who answered, for the message where the answer is no problem document.

    Raises:
        Refused: The status is 400 or above.
    """
    if answer.status_code < 400:
        return answer
    try:
        raise Refused(Problem.model_validate({"status": answer.status_code, **answer.json()}))
    except (ValueError, TypeError) as error:
        said = f": {answer.text[:500]}" if answer.text else ""
        detail = f"{by} answered {answer.status_code} {answer.reason_phrase}{said}"
        problem = Problem(status=answer.status_code, title=answer.reason_phrase, detail=detail)
        raise Refused(problem) from error
