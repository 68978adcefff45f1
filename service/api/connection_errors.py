"""Errors of the load on a service: most are answered before the app sees a request, or in its place."""

from service.domain.errors import ServiceError


class MalformedRequest(ServiceError):
    """What came is no HTTP request."""

    code = "malformed_request"


class HeadersTooLarge(ServiceError):
    """The request line and the headers are larger than the service reads."""

    code = "headers_too_large"


class RequestTimeout(ServiceError):
    """The request did not arrive in time."""

    code = "request_timeout"


class TooManyConnections(ServiceError):
    """The service, or the caller's address, has as many connections as are allowed."""

    code = "too_many_connections"


class QueryTimeout(ServiceError):
    """The database took longer over one statement than it may."""

    code = "query_timeout"


class ServerBusy(ServiceError):
    """The service has as much of this at work as it can hold at once."""

    code = "server_busy"
