"""A helper process that is sent a line and answers with one line of JSON."""

import asyncio
import json
import subprocess
from typing import Any


class LineProcess:
    """A process started with both pipes, see `ProcessTable.start`; one request at a time.

    Args:
        process: What to talk to.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    async def send(self, *arguments: object) -> Any:
        """Send words as one line; return the decoded answer.

        Raises:
            OSError: The process has ended.
        """
        writer, reader = self._process.stdin, self._process.stdout
        if writer is None or reader is None:
            raise ValueError("the helper process was started without pipes; pass piped=True")
        writer.write(" ".join(map(str, arguments)) + "\n")
        writer.flush()
        answer = await asyncio.to_thread(reader.readline)
        if not answer:
            raise OSError("the helper process has ended; its log says why")
        return json.loads(answer)
