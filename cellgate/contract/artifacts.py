"""Names of the files and folders that runs, data sets and bundles consist of.

| where | what |
|---|---|
| the folder of a run | spec.json, events.jsonl, output.log, result.json, model/, predictions/, checkpoint/ |
| besides, by cell | dataset/ (prepare), report.json and verdicts.sqlite (54), bundle/ (pack) |
| a data set | dataset.json, functions.arrow, functions.sqlite, graphs.safetensors, vocab.json, report.json |
| a bundle | bundle.json, a folder for each model |
"""

# A run's folder.
SPEC_NAME = "spec.json"
EVENTS_NAME = "events.jsonl"
OUTPUT_NAME = "output.log"
RESULT_NAME = "result.json"
REPORT_NAME = "report.json"
# What each option and each model says of single functions; the number is that of its tables.
VERDICTS_NAME = "verdicts.sqlite"
VERDICTS_VERSION = 1
MODEL_FOLDER = "model"
PREDICTIONS_FOLDER = "predictions"
CHECKPOINT_FOLDER = "checkpoint"
DATASET_FOLDER = "dataset"
BUNDLE_FOLDER = "bundle"

# A data set's folder.
DATASET_MANIFEST_NAME = "dataset.json"
FUNCTIONS_NAME = "functions.arrow"
# What a page shows of each function; the number is that of its table.
FUNCTION_INDEX_NAME = "functions.sqlite"
FUNCTION_INDEX_VERSION = 1
GRAPHS_NAME = "graphs.safetensors"
VOCABULARY_NAME = "vocab.json"
DATASET_REPORT_NAME = "report.json"

# A bundle's folder.
BUNDLE_MANIFEST_NAME = "bundle.json"


def predictions_name(split: str) -> str:
    """Return the path of a split's predictions, relative to the run's folder."""
    return f"{PREDICTIONS_FOLDER}/{split}.arrow"
