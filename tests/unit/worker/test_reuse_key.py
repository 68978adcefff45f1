"""The key of equal runs: every field of every spec changes it, but for those that the result does not depend on."""

from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.documents import leaves_of
from cellgate.contract.specs import FusionSpec, GnnSpec, TransformerSpec
from tests.fakes import trained
from worker.devices import model_of
from worker.reuse import NOT_IN_KEY, hardware_class, key_of

CONTENT = "sha256:" + "a" * 64
HARDWARE = {"processor": "one", "device": "cpu", "threads": 1}
DATASET = Path("/data/set")
SPECS: dict[int, dict[str, Any]] = {
    51: TransformerSpec(dataset=DATASET).model_dump(mode="json"),
    52: GnnSpec(dataset=DATASET).model_dump(mode="json"),
}


def key(spec: dict[str, Any], *, content: str = CONTENT, hardware: dict[str, Any] = HARDWARE) -> str:
    return key_of(spec, content=content, hardware=hardware)


def with_other(document: dict[str, Any], path: str) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    return {**document, name: with_other(document[name], rest) if rest else "another value"}


@pytest.mark.parametrize("cell", SPECS)
def test_a_field_changes_the_key_unless_it_is_on_the_list(cell: int) -> None:
    spec = SPECS[cell]
    plain = key(spec)

    changing = {path for path, _ in leaves_of(spec) if key(with_other(spec, path)) != plain}

    assert changing == {path for path, _ in leaves_of(spec)} - NOT_IN_KEY.keys()


def test_no_field_is_on_the_list_that_no_spec_has() -> None:
    fusion = FusionSpec(dataset=DATASET, transformer=DATASET, gnn=DATASET).model_dump(mode="json")

    assert NOT_IN_KEY.keys() <= {path for spec in (*SPECS.values(), fusion) for path, _ in leaves_of(spec)}


@pytest.mark.parametrize(
    "difference",
    [{"content": "sha256:" + "b" * 64}, *({"hardware": {**HARDWARE, name: "other"}} for name in HARDWARE)],
    ids=["content", *HARDWARE],
)
def test_data_and_hardware_are_in_the_key(difference: dict[str, Any]) -> None:
    assert key(SPECS[52], **difference) != key(SPECS[52])


def _base(folder: Path, weights: str) -> Path:
    folder.mkdir()
    result = trained(51, 0, 0.9, artifacts={"model/weights": f"sha256:{weights * 64}"})
    (folder / "result.json").write_text(result.model_dump_json())
    return folder


def test_fusion_is_equal_over_equal_models_wherever_they_lie(tmp_path: Path) -> None:
    one, same, other = (_base(tmp_path / name, name[0]) for name in ("a1", "a2", "b"))

    keys = [
        key(FusionSpec(dataset=DATASET, transformer=base, gnn=one).model_dump(mode="json"))
        for base in (one, same, other)
    ]

    assert keys[0] == keys[1] != keys[2]


def test_a_checkpoint_in_a_folder_is_another_one_once_a_file_of_it_changes(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    spec = TransformerSpec(dataset=DATASET).model_dump(mode="json")
    spec["model"]["checkpoint"] = str(tmp_path)
    before = key(spec)

    (tmp_path / "config.json").write_text("{ }")

    assert key(spec) != before


def test_a_gpu_whose_model_is_not_known_has_no_hardware_class() -> None:
    unknown = "GPU-of-no-machine"

    assert model_of(unknown) is None
    assert hardware_class(unknown, 1) is None
    assert (hardware_class(None, 3) or {})["threads"] == 3
