"""A bundle is read as it was made or refused: every file, every hash, and how its parts fit together."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cellgate.contract.artifacts import BUNDLE_MANIFEST_NAME
from cellgate.contract.bundle import bundle_id, bundle_schema, read_bundle_manifest
from cellgate.contract.errors import DataError
from cellgate.contract.files import write_json
from tests.bundle_manifests import manifest_content, part
from tests.fakes import abstention


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle whose models are not opened."""
    model = tmp_path / "seed-0" / "transformer"
    model.mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"weights")
    (model / "config.json").write_bytes(b"{}")
    write_json(tmp_path / BUNDLE_MANIFEST_NAME, manifest_content(tmp_path))
    return tmp_path


def test_a_bundle_made_without_a_prevalence_and_a_risk_keeps_its_id(folder: Path) -> None:
    manifest = read_bundle_manifest(folder)

    assert not {"deployment", "abstention"} & manifest.model_dump(mode="json").keys()


def _change_a_byte(folder: Path) -> None:
    (folder / "seed-0/transformer/model.safetensors").write_bytes(b"weightz")


def _lose_a_file(folder: Path) -> None:
    (folder / "seed-0/transformer/config.json").unlink()


def _add_a_file(folder: Path) -> None:
    (folder / "seed-0/transformer/extra.json").write_bytes(b"{}")


def _add_a_hidden_file(folder: Path) -> None:
    (folder / ".hidden").write_bytes(b"")


def _add_a_link(folder: Path) -> None:
    (folder / "more").symlink_to(folder / "seed-0")


def _replace_a_file_by_a_link(folder: Path) -> None:
    path = folder / "seed-0/transformer/config.json"
    path.rename(folder.parent / "elsewhere.json")
    path.symlink_to(folder.parent / "elsewhere.json")


def _change_the_threshold(folder: Path) -> None:
    path = folder / BUNDLE_MANIFEST_NAME
    write_json(path, {**json.loads(path.read_bytes()), "threshold": 0.9})


def _list_a_pickle(folder: Path) -> None:
    (folder / "seed-0/transformer/model.bin").write_bytes(b"pickle")
    write_json(folder / BUNDLE_MANIFEST_NAME, manifest_content(folder))


def _list_an_adapter(folder: Path) -> None:
    (folder / "seed-0/transformer/adapter_config.json").write_bytes(b"{}")
    write_json(folder / BUNDLE_MANIFEST_NAME, manifest_content(folder))


def _name_a_folder_that_is_not_there(folder: Path) -> None:
    members = [{"seed": 0, "transformer": part("seed-1/transformer"), "gnn": None, "fusion": None}]
    write_json(folder / BUNDLE_MANIFEST_NAME, manifest_content(folder, members=members))


def _lead_out_of_the_folder(folder: Path) -> None:
    members = [{"seed": 0, "transformer": part("../other"), "gnn": None, "fusion": None}]
    write_json(folder / BUNDLE_MANIFEST_NAME, manifest_content(folder, members=members))


def _be_an_ensemble_of_one(folder: Path) -> None:
    write_json(
        folder / BUNDLE_MANIFEST_NAME, manifest_content(folder, kind="ensemble", text_weight=0.5, graph_weight=0.5)
    )


def _have_a_seed_twice(folder: Path) -> None:
    write_json(folder / BUNDLE_MANIFEST_NAME, manifest_content(folder, members=2 * manifest_content(folder)["members"]))


def _weigh_one_model(folder: Path) -> None:
    write_json(folder / BUNDLE_MANIFEST_NAME, manifest_content(folder, text_weight=0.5, graph_weight=0.5))


def _have_two_margins(folder: Path) -> None:
    stated = abstention(0.8).model_dump(mode="json")
    write_json(folder / BUNDLE_MANIFEST_NAME, manifest_content(folder, abstention=stated))


def _be_of_the_next_version(folder: Path) -> None:
    write_json(folder / BUNDLE_MANIFEST_NAME, manifest_content(folder, schema_version=2))


def _have_a_field_too_many(folder: Path) -> None:
    write_json(folder / BUNDLE_MANIFEST_NAME, manifest_content(folder, code="import os"))


def _be_cut_off(folder: Path) -> None:
    path = folder / BUNDLE_MANIFEST_NAME
    path.write_bytes(path.read_bytes()[:-20])


def _be_away(folder: Path) -> None:
    (folder / BUNDLE_MANIFEST_NAME).unlink()


CORRUPTED: dict[Callable[[Path], None], str] = {
    _change_a_byte: "model.safetensors: found sha256:",
    _lose_a_file: "config.json: found no file",
    _add_a_file: "extra.json: found a file, expected none",
    _add_a_hidden_file: "hidden: found a file, expected none",
    _add_a_link: "more: found a link",
    _replace_a_file_by_a_link: "config.json: found a link",
    _change_the_threshold: "bundle.json, id: found sha256:",
    _list_a_pickle: r"files: found seed-0/transformer/model\.bin",
    _list_an_adapter: r"files: found seed-0/transformer/adapter_config\.json",
    _name_a_folder_that_is_not_there: "members, transformer: found seed-1/transformer",
    _lead_out_of_the_folder: r"members\.0\.transformer\.folder: found \"\.\./other\"",
    _be_an_ensemble_of_one: "which is no ensemble",
    _have_a_seed_twice: "two members have the same seed",
    _weigh_one_model: "an ensemble has two weights, and nothing else has any",
    _have_two_margins: "a bundle has one margin, found 2",
    _be_of_the_next_version: "schema_version: found 2",
    _have_a_field_too_many: "code: found",
    _be_cut_off: "is no manifest of version 1",
    _be_away: "is no bundle",
}


def test_an_untouched_bundle_is_read(folder: Path) -> None:
    manifest = read_bundle_manifest(folder)

    assert set(manifest.files) == {"seed-0/transformer/config.json", "seed-0/transformer/model.safetensors"}
    assert manifest.id == bundle_id(manifest.model_dump(mode="json"))


@pytest.mark.parametrize("corrupt", CORRUPTED, ids=lambda corrupt: corrupt.__name__)
def test_a_bundle_that_is_not_as_it_was_made_is_refused(corrupt: Callable[[Path], None], folder: Path) -> None:
    corrupt(folder)

    with pytest.raises(DataError) as caught:
        read_bundle_manifest(folder)
    caught.match(CORRUPTED[corrupt])


def test_everything_wrong_is_reported_at_once(folder: Path) -> None:
    _change_a_byte(folder)
    _lose_a_file(folder)
    _add_a_hidden_file(folder)

    with pytest.raises(DataError) as caught:
        read_bundle_manifest(folder)
    assert len(caught.value.problems) == 3


def test_the_published_schema_names_every_field(folder: Path) -> None:
    of_some = {"temperature", "deployment", "abstention"}
    assert set(bundle_schema()["properties"]) == set(manifest_content(folder)) | of_some
