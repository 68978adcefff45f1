import json
import re
from pathlib import Path
from typing import Any

WEB = Path(__file__).resolve().parents[3] / "web"


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((WEB / name).read_text())
    return found


def test_every_package_is_required_in_one_exact_version() -> None:
    package = read("package.json")
    versions = {**package["dependencies"], **package["devDependencies"]}
    assert versions
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values()), versions


def test_the_lock_file_names_contents_and_no_registry() -> None:
    locked = {name: entry for name, entry in read("package-lock.json")["packages"].items() if name}
    assert all(entry["integrity"].startswith("sha512-") for entry in locked.values())
    assert not [name for name, entry in locked.items() if "resolved" in entry]
