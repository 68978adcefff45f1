"""Bodies that can be sent as they are, but for the ids; they stand in the OpenAPI document."""

from fastapi.openapi.models import Example

from cellgate.contract.cells import EXAMPLE_DATASET, EXAMPLE_EXPERIMENT

DATASETS: dict[str, Example] = {
    "recognised": Example(
        summary="A file in a layout that is recognised: CodeXGLUE, Devign, BigVul, DiverseVul, PrimeVul",
        value={"name": "devign", "source": "/srv/data/devign.jsonl.gz"},
    ),
    "mapped": Example(
        summary="Fields with other names, and the file's own split into train and the rest",
        value={
            "name": "ours",
            "source": "/srv/data/functions.jsonl",
            "fields": {"func": "body", "target": "is_vulnerable", "commit": "sha"},
            "honour_split": {"train": ["train"], "valid": ["dev", "fuse"], "test": ["gate", "test"]},
        },
    ),
}
EXPERIMENTS: dict[str, Example] = {
    "defaults": Example(
        summary="Small models from scratch, three seeds, every default",
        value={"name": "is fusion worth it?", "dataset": EXAMPLE_DATASET},
    ),
    "pretrained": Example(
        summary="A pretrained text model on GPU workers, five seeds, fusion in any case",
        value={
            "name": "unixcoder and graphs",
            "dataset": EXAMPLE_DATASET,
            "seeds": [0, 1, 2, 3, 4],
            "queue": "gpu",
            "priority": 10,
            "queue_timeout_s": 86_400,
            "timeout_s": 43_200,
            "transformer": {
                "model": {"checkpoint": "microsoft/unixcoder-base", "max_tokens": 512},
                "training": {"epochs": 10, "batch_size": 16, "learning_rate": {"value": 2e-5}},
            },
            "policy": {"fusion": "always", "blocking": ["baseline_margin"]},
        },
    ),
}
BUNDLES: dict[str, Example] = {
    "decided": Example(summary="What was decided, of all seeds", value={}),
    "single": Example(
        summary="The text model of one seed", value={"kind": "single", "option": "transformer", "seeds": [0]}
    ),
}
SCORES: dict[str, Example] = {
    "one": Example(
        summary="One function",
        value={"functions": ["void copy(char *to, const char *from) { while ((*to++ = *from++)); }"]},
    ),
}
JOBS: dict[str, Example] = {
    "alone": Example(
        summary="Cell 52 alone on a data set",
        value={"cell": 52, "dataset": EXAMPLE_DATASET, "seeds": [0], "training": {"epochs": 2}},
    ),
    "step": Example(
        summary="Cell 53 as a step of an experiment whose gate has passed",
        value={"cell": 53, "experiment": EXAMPLE_EXPERIMENT, "model": {"width": 16}},
    ),
}
PRUNING: dict[str, Example] = {
    "quarter": Example(summary="What would go of the last quarter", value={"older_than_days": 90, "dry_run": True}),
}
