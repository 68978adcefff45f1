"""Answers every packet with the same HTTP reply: what the client and the network cost alone. `… PORT`."""

import asyncio
import sys

import uvloop

BODY = b'{"hello":"world"}'
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


class Answer(asyncio.Protocol):
    """Takes every packet for a request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer, whatever came."""
        del data
        self._transport.write(REPLY)  # type: ignore[attr-defined]  # a TCP server's transport can be written to


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


uvloop.run(main())
