"""Every field of every body, wrong in each of the ways that it can be: refused with its own pointer, nothing created.

A row is a field, as a JSON pointer, and a value that it may not have; all else in the body is right.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest

from tests.api_client import Api, assert_refused

NO_DATASET = "ds_" + "0" * 26
NO_EXPERIMENT = "exp_" + "0" * 26
NO_BUNDLE = "bun_" + "0" * 26
LONG = "x" * 201
OF_TRAINING: list[tuple[str, Any]] = [
    ("epochs", 0),
    ("epochs", 1.5),
    ("epochs", "many"),
    ("batch_size", 0),
    ("accumulation", 0),
    ("learning_rate", 0.001),
    ("learning_rate/value", 0),
    ("learning_rate/value", -1e-3),
    ("learning_rate/finder_steps", 1),
    ("weight_decay", -0.1),
    ("warmup_fraction", 1.1),
    ("max_grad_norm", 0),
    ("label_smoothing", 1.5),
    ("patience", 0),
    ("precision", "fp8"),
    ("checkpoint_every_steps", 0),
    ("max_steps", 0),
    ("class_balance", "luck"),
    ("deterministic", "perhaps"),
    ("unknown", 1),
]
OF_TERMS: list[tuple[str, Any]] = [
    ("priority", 101),
    ("priority", -101),
    ("priority", "high"),
    ("queue", "CPU"),
    ("queue", ""),
    ("queue", "q" * 40),
    ("queue_timeout_s", 0),
    ("timeout_s", -1),
    ("timeout_s", 1e12),
]
OF_SEEDS: list[tuple[str, Any]] = [
    ("seeds/0", -1),
    ("seeds/0", 2**31),
    ("seeds/0", "zero"),
    ("seeds", 0),
    ("seeds", []),
]
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "experiment": ("/v1/experiments", {"name": "question", "dataset": NO_DATASET}),
    "51": ("/v1/jobs", {"cell": 51, "dataset": NO_DATASET}),
    "52": ("/v1/jobs", {"cell": 52, "dataset": NO_DATASET}),
    "53": ("/v1/jobs", {"cell": 53, "experiment": NO_EXPERIMENT}),
    "54": ("/v1/jobs", {"cell": 54, "experiment": NO_EXPERIMENT}),
    "dataset": ("/v1/datasets", {"name": "made", "source": "/nowhere/made.jsonl"}),
    "preflight": ("/v1/preflights", {"dataset": NO_DATASET, "gnn": {}}),
    "waiver": (
        f"/v1/experiments/{NO_EXPERIMENT}/gate/waivers",
        {"check": "positives", "reason": "a larger split comes next month"},
    ),
    "overruling": (
        f"/v1/experiments/{NO_EXPERIMENT}/decision",
        {"outcome": "improve", "reason": "two projects are missing"},
    ),
    "bundle": (f"/v1/experiments/{NO_EXPERIMENT}/bundle", {}),
    "scores": (f"/v1/bundles/{NO_BUNDLE}/predict", {"functions": ["int f(void) { return 0; }"]}),
    "token": ("/v1/tokens", {"name": "ci", "scope": "read"}),
    "webhook": ("/v1/webhooks", {"url": "https://example.org/"}),
}
WRONG: dict[str, Sequence[tuple[str, Any]]] = {
    "experiment": [
        ("name", ""),
        ("name", " \t"),
        ("name", LONG),
        ("name", 3),
        ("dataset", "ds_1"),
        ("dataset", NO_EXPERIMENT),
        ("dataset", None),
        ("autopilot", "sometimes"),
        ("labels", ["team"]),
        ("labels/team", ""),
        ("labels/team", "a b"),
        ("labels/team", 3),
        ("labels", {f"k{number}": "v" for number in range(17)}),
        ("policy/gate_f1", 1.1),
        ("policy/skip_fusion_f1", -0.1),
        ("policy/text_weight", 2),
        ("policy/fusion", "perhaps"),
        ("policy/minimum_positives", -1),
        ("policy/blocking/0", "no such check"),
        ("policy/unknown", 1),
        ("transformer/cell", 52),
        ("gnn/model", None),
        ("surprise", True),
        *OF_TERMS,
        *OF_SEEDS,
        *((f"transformer/training/{field}", value) for field, value in OF_TRAINING),
    ],
    "51": [
        ("model/checkpoint", 3),
        ("model/size", "huge"),
        ("model/vocab_size", 1),
        ("model/max_tokens", 4),
        ("model/lora/rank", 0),
        ("training/layer_lr_decay", 0),
        ("experiment", "exp_1"),
        *OF_SEEDS,
        *((f"training/{field}", value) for field, value in OF_TRAINING),
    ],
    "52": [
        ("model/architecture", "cnn"),
        ("model/width", 0),
        ("model/layers", 0),
        ("model/readout", "median"),
        ("model/dropout", 1.0),
        *OF_TERMS,
        *((f"training/{field}", value) for field, value in OF_TRAINING),
    ],
    "53": [
        ("experiment", None),
        ("model/head", "sum"),
        ("model/width", 0),
        ("model/modality_dropout", 1.5),
        ("model/text_weight", -0.1),
        ("model/unfreeze", "some"),
        ("dataset", NO_DATASET),
        *((f"training/{field}", value) for field, value in OF_TRAINING),
    ],
    "54": [
        ("experiment", ""),
        ("resamples", 0),
        ("confidence", 1.0),
        ("text_weight", 1.1),
        ("bootstrap_seed", -1),
        ("seeds", [0]),
    ],
    "dataset": [
        ("name", None),
        ("source", 3),
        ("fields/func", 3),
        ("fields/unknown", "x"),
        ("group_by/0", "author"),
        ("split_seed", -1),
        ("max_nodes", 1),
        ("max_function_chars", 0),
        ("near_duplicates", "ignore"),
        ("near_duplicate_similarity", 1.5),
        ("splits/train", -0.1),
        ("honour_split/train/0", "gates"),
    ],
    "preflight": [("mode", "quick"), ("dataset", "made"), ("gnn/model/width", 0), ("surprise", 1)],
    "waiver": [("check", ""), ("check", 3), ("reason", "because"), ("reason", " " * 20), ("by", "me")],
    "overruling": [("outcome", "ship"), ("option", "fusion"), ("reason", "no"), ("reason", None)],
    "bundle": [
        ("kind", "all"),
        ("option", "ensemble"),
        ("text_weight", 1.1),
        ("tolerance", 0),
        ("tolerance", 1),
        ("licence_notes", 3),
        ("surprise", 1),
        *OF_SEEDS,
    ],
    "scores": [
        ("functions", []),
        ("functions", "int f(void);"),
        ("functions/0", ""),
        ("functions/0", None),
        ("threshold", 1.1),
        ("threshold", "low"),
        ("explain", "some"),
        *OF_TERMS,
    ],
    "token": [
        ("name", "two words"),
        ("name", ""),
        ("name", "n" * 81),
        ("scope", "root"),
        ("expires_in_s", 0),
        ("expires_in_s", 1e12),
        ("token", "mine"),
    ],
    "webhook": [("url", None), ("url", "x" * 2001), ("events", []), ("events/0", "run.done"), ("secret", "mine")],
}


ROWS = [
    pytest.param(what, field, value, id=f"{what} with {field} = {json.dumps(value)[:24]}")
    for what, wrong in WRONG.items()
    for field, value in wrong
]


def with_field(body: Mapping[str, Any], field: str, value: Any) -> dict[str, Any]:
    """The body with one field set, whatever is missing on the way there made."""
    whole: dict[str, Any] = json.loads(json.dumps(body))
    steps = field.split("/")
    place: Any = whole
    for step, following in pairwise(steps):
        place = place.setdefault(step, [None] if following == "0" else {})
    place[0 if steps[-1] == "0" else steps[-1]] = value
    return whole


@pytest.mark.parametrize(("what", "field", "value"), ROWS)
def test_a_field_that_is_wrong_is_named_and_nothing_is_created(
    shared_api: Api, what: str, field: str, value: Any
) -> None:
    path, body = BODIES[what]
    before = shared_api.counts()

    answer = shared_api.client.post(path, json=with_field(body, field, value))

    assert_refused(answer, status=422, code="invalid_request", pointers=[f"/{field}"])
    assert shared_api.counts() == before


def test_all_of_them_at_once_are_named_at_once(shared_api: Api) -> None:
    body = {"name": "question", "dataset": "made", "seeds": [-1], "queue": "CPU", "policy": {"gate_f1": 2}, "odd": 1}

    answer = shared_api.client.post("/v1/experiments", json=body)

    pointers = ["/dataset", "/seeds/0", "/queue", "/policy/gate_f1", "/odd"]
    assert_refused(answer, status=422, code="invalid_request", pointers=pointers)


def test_there_are_at_least_two_hundred() -> None:
    assert len(ROWS) >= 200
