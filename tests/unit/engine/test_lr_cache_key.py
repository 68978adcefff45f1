"""The LR cache's key: every field of every spec either changes it, or is on the list of those that do not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cellgate.contract.cells import TRAINED
from cellgate.contract.specs import FusionSpec, GnnSpec, TransformerSpec
from trainers.engine.environment import hash_sources
from trainers.engine.hardware import Hardware
from trainers.engine.lr_choice import NOT_IN_KEY, cache_key

# What the range test's answer depends on. A field that is neither here nor in NOT_IN_KEY has not been thought about.
IN_KEY = {
    "cell",
    "model.architecture",
    "model.checkpoint",
    "model.dropout",
    "model.freeze",
    "model.gnn_lr_ratio",
    "model.head",
    "model.layers",
    "model.lora",
    "model.max_tokens",
    "model.modality_dropout",
    "model.readout",
    "model.revision",
    "model.size",
    "model.slots",
    "model.text_weight",
    "model.transformer_lr_ratio",
    "model.unfreeze",
    "model.unfrozen_lr_ratio",
    "model.vocab_size",
    "model.width",
    "training.accumulation",
    "training.batch_size",
    "training.class_balance",
    "training.keep_pairs_together",
    "training.label_smoothing",
    "training.layer_lr_decay",
    "training.learning_rate.fallback",
    "training.learning_rate.finder_max",
    "training.learning_rate.finder_min",
    "training.learning_rate.finder_steps",
    "training.learning_rate.value",
    "training.max_grad_norm",
    "training.weight_decay",
}
SPECS = {
    51: TransformerSpec(dataset=Path("d")),
    52: GnnSpec(dataset=Path("d")),
    53: FusionSpec(dataset=Path("d"), transformer=Path("t"), gnn=Path("g")),
}


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def with_other(document: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a copy of a spec with another value at a path, valid or not."""
    name, _, rest = path.partition(".")
    return {**document, name: with_other(document[name], rest) if rest else "another value"}


FIELDS = [(entry.json, path) for entry in TRAINED for path in leaves(entry.spec)]


def test_every_field_of_every_spec_is_classified_once() -> None:
    found = {path for _, path in FIELDS}

    assert found - IN_KEY - NOT_IN_KEY.keys() == set(), "classify these fields in IN_KEY here, or in NOT_IN_KEY"
    assert (IN_KEY | NOT_IN_KEY.keys()) - found == set(), "there are no such fields any more"
    assert IN_KEY & NOT_IN_KEY.keys() == set()


# The other value need not be one that the spec would take.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize(("cell", "path"), FIELDS)
def test_a_field_changes_the_key_unless_it_is_on_the_list(
    toy: type[Any], hardware: Hardware, cell: int, path: str
) -> None:
    task, spec = toy(), SPECS[cell]
    document = spec.model_dump(mode="json")
    other = spec.model_construct(**with_other(document, path))

    before, after = (
        cache_key(task, spec=of, dataset_id="d", hardware=hardware, finder_steps=60) for of in (spec, other)
    )

    assert (before == after) is (path in NOT_IN_KEY)


def test_the_contracts_sources_are_part_of_the_code_version(tmp_path: Path) -> None:
    for folder in ("trainers/engine", "cellgate/contract", "service"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "trainers/engine/loop.py").write_text("a = 1")
    hashes = [hash_sources(tmp_path)]
    (tmp_path / "cellgate/contract/configs.py").write_text("epochs = 8")
    hashes.append(hash_sources(tmp_path))
    (tmp_path / "cellgate/contract/configs.py").write_text("epochs = 9")
    hashes.append(hash_sources(tmp_path))
    (tmp_path / "service/app.py").write_text("a = 1")

    assert len(set(hashes)) == 3
    assert hash_sources(tmp_path) == hashes[-1]
