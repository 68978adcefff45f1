"""The OpenAPI document as a file: what the dashboard's types are generated from."""

import json
import subprocess
import sys
from pathlib import Path

from tests.api_client import Api, get


def test_the_document_is_written_without_a_server_and_is_what_the_api_answers(tmp_path: Path, api: Api) -> None:
    command = [sys.executable, "-m", "service.commands.openapi"]
    folder = tmp_path / "empty"
    folder.mkdir()

    written = subprocess.run(command, cwd=folder, capture_output=True, check=True)

    document, answered = json.loads(written.stdout), get(api, "/openapi.json")
    assert (document["paths"].keys(), document["info"]) == (answered["paths"].keys(), answered["info"])
    assert document["components"]["schemas"] == answered["components"]["schemas"]
    assert list(folder.iterdir()) == []
