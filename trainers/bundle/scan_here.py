"""Files scored in this process."""

from collections.abc import Iterator, Sequence

from cellgate.contract.bundle import BundleManifest
from cellgate.contract.specs import Explain
from trainers.bundle.file_scoring import FileOutcome, FileTask, Predictor, score_files

