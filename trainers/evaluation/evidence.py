"""The evidence on the gate split: every option's scores with their intervals, and every two options compared."""

# Shapes: R rows of gate, G groups, M candidates (an option of one seed each), S resamples.
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import get_args

import numpy as np

from cellgate.contract.artifacts import DATASET_REPORT_NAME
from cellgate.contract.configs import AggregationConfig, Split
from cellgate.contract.errors import DataError
from cellgate.contract.evidence import (
    Baseline,
    BaselineName,
    Comparison,
    DeploymentCandidate,
    Evidence,
    Gain,
    KindEvidence,
    OptionEvidence,
    Truncation,
)
from cellgate.contract.options import OPTIONS, Option, share_no_model
from trainers.data.dataset import Dataset
from trainers.engine.metrics import all_positive_f1
from trainers.engine.pairs import whole_pairs
from trainers.evaluation.abstention import ScoresWithAbstention
from trainers.evaluation.alert_budget import ScoresWithinBudget, with_budget
from trainers.evaluation.deployment_candidates import dev_f1, forms_of
from trainers.evaluation.differences import Difference, compare
from trainers.evaluation.options import Candidate, rows_by_slice
from trainers.evaluation.pair_evidence import PairScores
from trainers.evaluation.prevalence import ScoresAtPrevalence
from trainers.evaluation.statistics import GroupCounts, Resampled, count_by_group, holm, mcnemar_p
from trainers.evaluation.weighing import Weighing

NAMES: tuple[Option, ...] = tuple(option.name for option in OPTIONS)


def make_evidence(
    candidates: Sequence[Candidate],
    *,
    dataset: Dataset,
    baselines: list[Baseline],
    truncation: dict[Option, Truncation],
    config: AggregationConfig,
    inputs: dict[str, str],
    weighing: Weighing = Weighing.NOW,
) -> Evidence:
    """Return the evidence; the same inputs and config give the same bytes.

    Intervals show how far F1 depends on which functions gate happens to hold and on which seeds happened to be trained
    (with a single seed, on the functions alone).

    Args:
        candidates: Every option of every seed; all options have the same seeds.
        baselines: What the data set gives away, to stand beside them.
        truncation: What the base models do not see of gate.
        inputs: Hash of every predictions file that was read.
        weighing: How options are compared.
    """
    gate = _Gate(candidates, dataset, config, weighing)
    return Evidence(
        split="gate",
        rows=len(gate.labels_R),
        positives=int(gate.labels_R.sum()),
        groups=int(gate.group_R.max()) + 1,
        all_positive_f1=all_positive_f1(gate.labels_R),
        baselines=baselines,
        options=[gate.option(option) for option in gate.options],
        comparisons=gate.comparisons(),
        slices=gate.slices(),
        shippable=gate.shippable(),
        truncation=truncation,
        inputs=inputs,
    )


class _Gate:
    """All candidates on the gate split, with their resampled F1."""

    def __init__(
        self, candidates: Sequence[Candidate], dataset: Dataset, config: AggregationConfig, weighing: Weighing
    ) -> None:
        self._candidates = candidates
        self._dataset = dataset
        self._rows = dataset.rows(Split.GATE)
        self.labels_R = dataset.labels(self._rows)
        self.group_R = np.unique(dataset.groups(self._rows), return_inverse=True)[1].astype(np.int64)
        self._members = {
            option: [place for place, candidate in enumerate(candidates) if candidate.option == option]
            for option in NAMES
        }
        self.options = [option for option in NAMES if self._members[option]]
        self._predicted_RM = np.stack([candidate.predicted(Split.GATE) for candidate in candidates], axis=1)
        self._right_RM = self._predicted_RM == (self.labels_R == 1)[:, np.newaxis]
        self._config = config
        self._weighing = weighing
        self._counts = count_by_group(self.labels_R, self._predicted_RM, self.group_R)
        self._resampled = self._resample(self._counts)
        self._pairs = PairScores.of(
            whole_pairs(self.labels_R, dataset.pairs(self._rows)), self._predicted_RM, self.group_R, config=config
        )
        log_odds_RM = np.stack([candidate.log_odds[Split.GATE] for candidate in candidates], axis=1)
        self._deployed = ScoresAtPrevalence.of(
            self.labels_R, self._predicted_RM, log_odds_RM, self.group_R, config=config
        )
        dev_RM = np.stack([candidate.log_odds[Split.DEV] for candidate in candidates], axis=1)
        dev = (dataset.labels(dataset.rows(Split.DEV)), dev_RM)
        gate = (self.labels_R, log_odds_RM)
        self._within_budget = ScoresWithinBudget.of(dev, gate, self.group_R, config=config)
        thresholds = [candidate.threshold for candidate in candidates]
        self._abstaining = ScoresWithAbstention.of(dev, gate, self.group_R, thresholds=thresholds, config=config)

    def _resample(self, counts: GroupCounts) -> Resampled:
        return Resampled.of_counts(
            counts,
            resamples=self._config.resamples,
            seed=self._config.bootstrap_seed,
            confidence=self._config.confidence,
        )

    def _of(self, option: Option) -> list[Candidate]:
        return [self._candidates[place] for place in self._members[option]]

    def option(self, option: Option) -> OptionEvidence:
        """Return one option's scores, averaged over its seeds."""
        chosen = self._of(option)
        metrics = [candidate.metrics(Split.GATE, self.labels_R) for candidate in chosen]
        f1_per_seed = [of_seed.f1 for of_seed in metrics]
        weights = [candidate.text_weight for candidate in chosen]
        return OptionEvidence(
            option=option,
            seeds=[seed for candidate in chosen for seed in candidate.seeds],
            f1_per_seed=f1_per_seed,
            f1=fmean(f1_per_seed),
            f1_sd=stdev(f1_per_seed) if len(f1_per_seed) > 1 else 0.0,
            f1_interval=self._resampled.interval(self._members[option]),
            precision=fmean(of_seed.precision for of_seed in metrics),
            recall=fmean(of_seed.recall for of_seed in metrics),
            mcc=fmean(of_seed.mcc for of_seed in metrics),
            auprc=_mean([of_seed.auprc for of_seed in metrics]),
            auroc=_mean([of_seed.auroc for of_seed in metrics]),
            ece=fmean(of_seed.ece for of_seed in metrics),
            vd_s=_mean([of_seed.vd_s for of_seed in metrics]),
            text_weight=_mean(weights),
            test_f1=self._test_f1(chosen),
            pair_verdicts=None if self._pairs is None else self._pairs.verdicts(self._members[option]),
            deployment=with_budget(self._deployed, self._within_budget, self._members[option]),
            abstention=None if self._abstaining is None else self._abstaining.of_option(self._members[option]),
        )

    def _test_f1(self, chosen: Sequence[Candidate]) -> float | None:
        labels_R = self._dataset.labels(self._dataset.rows(Split.TEST))
        if not len(labels_R):
            return None
        return fmean(candidate.metrics(Split.TEST, labels_R).f1 for candidate in chosen)

    def comparisons(self) -> list[Comparison]:
        """Return every two options compared, in the order of `OPTIONS`."""
        pairs = list(itertools.combinations(self.options, 2))
        found = [self._difference(first, second) for first, second in pairs]
        by_rows = [self._median_p(first, second) for first, second in pairs]
        p_values = [difference.p for difference in found if difference.p is not None]
        adjusted: list[float | None] = [*holm(p_values)] or [None] * len(pairs)
        return [
            Comparison(
                first=first,
                second=second,
                f1_difference=self._mean_f1(first) - self._mean_f1(second),
                f1_interval=difference.interval,
                mcnemar_p=p_by_rows,
                holm_p=adjusted_by_rows,
                p=difference.p,
                adjusted_p=adjusted_p,
            )
            for (first, second), difference, adjusted_p, p_by_rows, adjusted_by_rows in zip(
                pairs, found, adjusted, by_rows, holm(by_rows), strict=True
            )
        ]

    def _difference(self, first: Option, second: Option) -> Difference:
        one, other = self._members[first], self._members[second]
        if self._weighing is Weighing.WITHOUT_P_VALUES:
            return Difference(interval=self._resampled.difference_interval(one, other), p=None)
        apart = self._weighing is Weighing.NOW and share_no_model(first, second)
        return compare(self._resampled, self._counts, one, other, apart=apart)

    def _mean_f1(self, option: Option) -> float:
        return fmean(candidate.metrics(Split.GATE, self.labels_R).f1 for candidate in self._of(option))

    def _median_p(self, first: Option, second: Option) -> float:
        """Return the p-value of the seed in the middle; of an even number the higher one, to claim less."""
        p_values = sorted(
            mcnemar_p(self._right_RM[:, one], self._right_RM[:, other])
            for one, other in zip(self._members[first], self._members[second], strict=True)
        )
        return p_values[len(p_values) // 2]

    def shippable(self) -> list[DeploymentCandidate]:
        """Return every option as it would be packed: of the seed that was best on dev, then of all seeds."""
        labels_R = self._dataset.labels(self._dataset.rows(Split.DEV))
        forms = [form for option in self.options for form in forms_of(option, self._candidates, labels_R)]
        predicted_RM = np.stack([form.predicted(Split.GATE) for form in forms], axis=1)
        resampled = self._resample(count_by_group(self.labels_R, predicted_RM, self.group_R))
        found = []
        for place, form in enumerate(forms):
            scores = form.metrics(Split.GATE, self.labels_R)
            gain = None
            # All seeds stand behind the best one.
            if len(form.seeds) > 1:
                difference = float(resampled.measured_M[place] - resampled.measured_M[place - 1])
                gain = Gain(f1=difference, interval=resampled.difference_interval([place], [place - 1]))
            found.append(
                DeploymentCandidate(
                    option=form.option,
                    seeds=list(form.seeds),
                    text_weight=form.text_weight,
                    threshold=form.threshold,
                    dev_f1=dev_f1(form, labels_R),
                    f1=scores.f1,
                    f1_interval=resampled.interval([place]),
                    precision=scores.precision,
                    recall=scores.recall,
                    ece=scores.ece,
                    gain=gain,
                )
            )
        return found

    def slices(self) -> list[KindEvidence]:
        """Return every option's accuracy per weakness and per project."""
        return [
            KindEvidence(slice=kind, value=value, rows=len(rows), accuracy=self._accuracy(rows))
            for kind, found in rows_by_slice(self._dataset, self._rows).items()
            for value, rows in sorted(found.items())
        ]

    def _accuracy(self, rows: list[int]) -> dict[str, float]:
        return {option: float(self._right_RM[rows][:, self._members[option]].mean()) for option in self.options}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def read_baselines(dataset: Path) -> list[Baseline]:
    """Return the baselines of a prepared data set, those that its report knows: none without a gate split.

    Args:
        dataset: The data set's folder.

    Raises:
        DataError: The report is damaged.
    """
    path = dataset / DATASET_REPORT_NAME
    try:
        probes = json.loads(path.read_bytes())["probes"]
        if probes is None:
            return []
        scores = {name: probes[name] for name in get_args(BaselineName) if name in probes}
        return [
            # Calling everything vulnerable ranks nothing.
            Baseline(name="all_positive", f1=probes["all_positive_f1"], auroc=0.5),
            *(Baseline(name=name, f1=found["f1"], auroc=found["auroc"]) for name, found in scores.items()),
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError.unreadable(
            path,
            "the report is damaged",
            error,
            expected="the report as it was written",
            fix="restore the file, or prepare the data set again",
        ) from error
