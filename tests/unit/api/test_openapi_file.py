"""The OpenAPI document as a file: what the dashboard's types are generated from."""

import json
import os
import subprocess
from pathlib import Path

from cellgate.contract.processes import module_command, module_environment
from tests.api_client import Api, get


def test_the_document_is_written_without_a_server_and_is_what_the_api_answers(tmp_path: Path, api: Api) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()

    written = subprocess.run(
        module_command("service.commands.openapi"),
        cwd=folder,
        env=module_environment(os.environ),
        capture_output=True,
        check=True,
    )

    document, answered = json.loads(written.stdout), get(api, "/openapi.json")
    assert (document["paths"].keys(), document["info"]) == (answered["paths"].keys(), answered["info"])
    assert document["components"]["schemas"] == answered["components"]["schemas"]
    assert list(folder.iterdir()) == []
