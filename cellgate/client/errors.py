"""Errors of the clients.

ClientError
├── Refused             the server answered with a problem; the message lists every mistake
├── ServerAway          no server answered before the client's patience ended
└── Damaged             a downloaded file differs from the server's
"""

import httpx

from cellgate.contract.api.problem import Problem


class ClientError(Exception):
    """Base of the errors that a client raises."""


class ServerAway(ClientError):
    """No server answered.

    Args:
        server: Base URL of the server.
        reason: How the last try ended.
    """

    def __init__(self, server: str, reason: str) -> None:
        self.server = server
        self.reason = reason
        super().__init__(f"no answer from {server} ({reason})")


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
        super().__init__("\n".join(lines))


class Damaged(ClientError):
    """A download arrived with another SHA-256 than the server's file has."""


def checked(answer: httpx.Response) -> httpx.Response:
    """Return an answer that is no problem.

    Raises:
        Refused: The status is 400 or above.
    """
    if answer.status_code < 400:
        return answer
    try:
        raise Refused(Problem.model_validate({"status": answer.status_code, **answer.json()}))
    except (ValueError, TypeError) as error:
        problem = Problem(status=answer.status_code, title=answer.reason_phrase, detail=answer.text[:500])
        raise Refused(problem) from error
