"""Where a bundle gives no verdict: within its margin, around its own threshold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellgate.contract.bundle import BundleManifest
from tests.bundle_manifests import manifest_content
from tests.fakes import abstention
from trainers.bundle.bundle import Bundle
from trainers.bundle.models import Functions
from trainers.bundle.scorer import Scored, SeedScorers

THRESHOLD = 0.5
LOG_ODDS = (-3.0, -0.9, 0.0, 1.0, 3.0)


class GivenScores(SeedScorers):
    """Scores functions as it is told, whatever they are."""

    def __init__(self) -> None:
        super().__init__([])

    def score(self, functions: Functions, *, contributions: bool = False) -> Scored:
        assert len(functions.sources) == len(LOG_ODDS)
        assert not contributions
        return Scored(log_odds_F=np.array(LOG_ODDS), truncated_F=np.zeros(len(LOG_ODDS), dtype=bool))


def abstains(threshold: float | None, **stated: Any) -> list[bool]:
    manifest = BundleManifest.model_validate(manifest_content(Path("none"), threshold=THRESHOLD, **stated))
    bundle = Bundle(manifest, GivenScores())
    functions = ["int f(void) { return 0; }"] * len(LOG_ODDS)
    return [verdict.abstains for verdict in bundle.predict(functions, threshold=threshold, explain="none")]


def at_margin(margin: float | None) -> dict[str, Any]:
    return {"abstention": abstention(0.8).model_copy(update={"margins": [margin]}).model_dump(mode="json")}


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        pytest.param(1.0, [False, True, True, False, False], id="exactly the margin is a verdict"),
        pytest.param(0.0, [False] * 5, id="a verdict on everything"),
        pytest.param(None, [True] * 5, id="no margin holds"),
    ],
)
def test_a_bundle_abstains_nearer_to_its_threshold_than_its_margin(margin: float | None, expected: list[bool]) -> None:
    assert abstains(None, **at_margin(margin)) == expected


def test_without_a_margin_or_at_another_threshold_there_is_a_verdict_on_everything() -> None:
    assert abstains(None) == [False] * 5
    assert abstains(0.6, **at_margin(1.0)) == [False] * 5
