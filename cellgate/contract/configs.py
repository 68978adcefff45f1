"""The settings of each cell, free of torch.

A *config* holds the settings that a person chooses. A *run spec* (`cellgate.contract.specs`) adds what one process
needs: data set, seed, inputs, device. A *job* (what the service accepts) is a config plus a data set id and seeds; see
`cellgate.contract.api.jobs`.
"""

from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from cellgate.contract.broken_rules import BrokenRule, FieldsDisagree
from cellgate.contract.documents import Input
from cellgate.contract.recipes import TrainingKind, kind_of, with_recipe


class Split(StrEnum):
    """The five splits; ARCHITECTURE.md lists what each may fix."""

    TRAIN = "train"
    DEV = "dev"
    FUSE = "fuse"
    GATE = "gate"
    TEST = "test"


class Spec(Input):
    """Base of every spec."""


class Precision(StrEnum):
    """Numbers that training computes with; `auto` is bf16 where the device has it, else fp32."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class LearningRate(Spec):
    """Source of the peak learning rate."""

    value: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Fixed peak learning rate; null takes it from the LR range test, or its cache.",
    )
    fallback: float = Field(
        2e-3, gt=0, le=1, description="Learning rate to use, with the reason on record, when the test gives none."
    )
    finder_steps: int = Field(
        60, ge=10, le=1000, description="Steps of the LR range test; at most a tenth of the training's."
    )
    finder_min: float = Field(1e-6, gt=0, le=1)
    finder_max: float = Field(1e-1, gt=0, le=10)

    @model_validator(mode="after")
    def _range_is_a_range(self) -> Self:
        if self.finder_min >= self.finder_max:
            message = f"finder_min ({self.finder_min:g}) must be below finder_max ({self.finder_max:g})"
            raise FieldsDisagree(BrokenRule(at=("finder_min",), message=message))
        return self


class TrainingConfig(Spec):
    """The loop's settings, shared by cells 51 to 53."""

    epochs: int = Field(8, ge=1, le=1000)
    batch_size: int = Field(32, ge=1, le=4096, description="Functions per optimizer step, before accumulation.")
    accumulation: int = Field(1, ge=1, le=256, description="Batches per optimizer step.")
    learning_rate: LearningRate = LearningRate()
    weight_decay: float = Field(0.01, ge=0, le=1)
    warmup_fraction: float = Field(0.1, ge=0, le=0.9, description="Share of all steps in linear warm-up.")
    max_grad_norm: float = Field(1.0, gt=0, description="Gradients are clipped to this total L2 norm.")
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    patience: int = Field(3, ge=1, le=1000, description="Epochs without a better dev score before stopping.")
    precision: Precision = Precision.AUTO
    checkpoint_every_steps: int = Field(200, ge=1)
    max_steps: int | None = Field(None, ge=1, description="Stop after this many optimizer steps.")
    keep_pairs_together: bool = Field(
        True, description="Put a vulnerable function and its patched version into the same batch."
    )
    class_balance: Literal["none", "weights", "sampling"] = Field(
        "none",
        description="Compensation for a rare class: its loss weighs more, or its functions are drawn more often; "
        "never both.",
    )
    deterministic: bool = Field(
        False,
        description="On a GPU, only kernels that give the same bits each time, which cost speed; a CPU always does.",
    )
    compile: bool = Field(False, description="Train the model as torch.compile makes it; pays on long runs.")


class Lora(Spec):
    """Low-rank updates of a checkpoint's linear layers, trained instead of all its weights.

    Source:
        Hu et al. 2021, arXiv 2106.09685.
    """

    rank: int = Field(8, ge=1, le=512)
    alpha: int = Field(16, ge=1, le=1024, description="The update is scaled by alpha / rank.")
    dropout: float = Field(0.0, ge=0, lt=1)


class TransformerModel(Spec):
    """The text model: a checkpoint by hub id or local path, or a small one from scratch."""

    checkpoint: str | None = Field(
        None,
        min_length=1,
        description="Hub id or local path for AutoModelForSequenceClassification; null trains from scratch.",
    )
    revision: str | None = Field(None, description="Hub revision of the checkpoint.")
    size: Literal["tiny", "small", "base"] = Field("small", description="Size of the model from scratch.")
    vocab_size: int = Field(1024, ge=128, le=200_000, description="Of the tokenizer fitted on train.")
    max_tokens: int = Field(256, ge=16, le=8192)
    mix_linear: bool = Field(
        True,
        description="Mix the trained network with a linear model over the text's n-grams, by the weights that rank dev "
        "best; either may have none.",
    )
    lora: Lora | None = Field(
        None, description="Train low-rank updates and the classifier alone; merged into the weights when saved."
    )

    freeze: Literal["none", "body"] = Field(
        "none", description="body: train the classifier alone, on the checkpoint as it is."
    )

    @field_validator("lora")
    @classmethod
    def _updates_are_of_something(cls, lora: Lora | None, given: ValidationInfo) -> Lora | None:
        if lora is not None and given.data.get("checkpoint", "") is None:
            raise ValueError("lora updates the weights of a checkpoint: name one, or train from scratch without lora")
        return lora

    @field_validator("freeze")
    @classmethod
    def _what_is_frozen_was_trained(cls, freeze: str, given: ValidationInfo) -> str:
        if freeze == "body" and given.data.get("checkpoint", "") is None:
            raise ValueError("a body that was never trained says nothing: name a checkpoint, or leave out freeze")
        if freeze == "body" and given.data.get("lora") is not None:
            raise ValueError("lora freezes the body already, and updates it: leave out freeze, or lora")
        return freeze


class GnnModel(Spec):
    """The graph model."""

    architecture: Literal["ggnn", "gine", "rgcn", "gat"] = Field(
        "ggnn",
        description="Gated graph network (Devign, DeepDFA), graph isomorphism network with edge features, relational "
        "graph convolution, or graph attention; all of them read the edge types.",
    )
    width: int = Field(48, ge=8, le=1024)
    layers: int = Field(
        4, ge=1, le=32, description="Steps of message passing; the gated network's share their weights."
    )
    readout: Literal["attention", "max", "mean", "sum"] = "attention"
    dropout: float = Field(0.1, ge=0, lt=1)
    mix_linear: bool = Field(
        True,
        description="Mix the trained network with a linear model over the graph's nodes and edges, by the weights that "
        "rank dev best; either may have none.",
    )


class FusionModel(Spec):
    """The head over the two frozen models; it starts as the weighted ensemble."""

    head: Literal["gated", "cross_attention", "stacking"] = Field(
        "gated",
        description="Product and difference of the two embeddings behind a gate, attention of each embedding to the "
        "other, or the two verdicts alone.",
    )
    width: int = Field(32, ge=8, le=1024)
    slots: int = Field(4, ge=2, le=32, description="Of cross-attention: vectors that each embedding is split into.")
    dropout: float = Field(0.2, ge=0, lt=1)
    modality_dropout: float = Field(
        0.0, ge=0, lt=0.5, description="Chance, for each model and function, that training hides its embedding."
    )
    text_weight: float = Field(0.6, ge=0, le=1, description="Weight of the text model in the ensemble it starts as.")
    transformer_lr_ratio: float = Field(0.5, gt=0, le=1, description="LR of the text projection, of the head's LR.")
    gnn_lr_ratio: float = Field(0.5, gt=0, le=1, description="LR of the graph projection, of the head's LR.")
    unfreeze: Literal["none", "transformer", "gnn", "both"] = Field(
        "none",
        description="Base models that are trained further; each epoch then runs them, instead of reading outputs.",
    )
    unfrozen_lr_ratio: float = Field(0.01, gt=0, le=1, description="LR of an unfrozen model, of the head's LR.")


class TransformerTraining(TrainingConfig):
    """The loop's settings, and those that apply only to a stack of pretrained layers."""

    layer_lr_decay: float = Field(
        1.0, gt=0, le=1, description="LR of each layer, of the layer's above it; the classifier has the peak."
    )


class TransformerConfig(Spec):
    """Cell 51: a transformer on source text. What is left out is filled in by kind of training, before it is stored."""

    cell: Literal[51] = 51
    model: TransformerModel = TransformerModel()
    training: TransformerTraining = TransformerTraining()

    @model_validator(mode="before")
    @classmethod
    def _is_resolved(cls, given: Any) -> Any:
        return with_recipe(given)

    @property
    def kind(self) -> TrainingKind:
        """What is trained, and from where."""
        return kind_of(dict(self.model))


class GnnLearningRate(LearningRate):
    """Where the gated graph network learns: best at 1.5e-3 to 3e-3; above 5e-3 the loss still falls, but less far."""

    finder_steps: int = Field(
        120, ge=10, le=1000, description="Steps of the LR range test; from scratch the loss needs so many to move."
    )
    finder_min: float = Field(1e-4, gt=0, le=1)
    finder_max: float = Field(4e-3, gt=0, le=10)


class GnnTraining(TrainingConfig):
    """The loop's settings, with the graph model's defaults."""

    epochs: int = Field(5, ge=1, le=1000)
    learning_rate: GnnLearningRate = GnnLearningRate()


class GnnConfig(Spec):
    """Cell 52: a graph network on code graphs."""

    cell: Literal[52] = 52
    model: GnnModel = GnnModel()
    training: GnnTraining = GnnTraining()


class FusionLearningRate(LearningRate):
    """Range in which the fusion head learns within some hundred steps."""

    finder_min: float = Field(3e-4, gt=0, le=1)
    finder_max: float = Field(3e-2, gt=0, le=10)


class FusionTraining(TrainingConfig):
    """The loop's settings, with the head's defaults: many short epochs on few rows, held back by weight decay."""

    epochs: int = Field(40, ge=1, le=1000)
    batch_size: int = Field(64, ge=1, le=4096, description="Functions per optimizer step, before accumulation.")
    learning_rate: FusionLearningRate = FusionLearningRate()
    weight_decay: float = Field(0.1, ge=0, le=1)
    patience: int = Field(10, ge=1, le=1000, description="Epochs without a better dev score before stopping.")


class FusionConfig(Spec):
    """Cell 53: a trained head over the two frozen models of the same seed."""

    cell: Literal[53] = 53
    model: FusionModel = FusionModel()
    training: FusionTraining = FusionTraining()


class AggregationConfig(Spec):
    """Cell 54: evidence over all seeds."""

    cell: Literal[54] = 54
    text_weight: float = Field(0.6, ge=0, le=1, description="Weight of the text model in the fixed ensemble.")
    resamples: int = Field(2000, ge=100, le=100_000, description="Bootstrap resamples, over groups.")
    confidence: float = Field(0.95, gt=0.5, lt=1)
    bootstrap_seed: int = Field(0, ge=0)
    deployment_prevalence: float | None = Field(
        None, gt=0, lt=1, description="Share of vulnerable functions where the model will run; null: not stated."
    )
    alerts_per_1000: float | None = Field(
        None, gt=0, le=1000, description="Alerts there per 1,000 functions that somebody can look at; null: not stated."
    )
    selective_risk: float | None = Field(
        None,
        gt=0,
        lt=0.5,
        description="Share of the verdicts that may be wrong; null: there is a verdict on everything.",
    )


class GroupBy(StrEnum):
    """Fields whose equal values keep functions in the same split."""

    COMMIT = "commit"
    PAIR = "pair"
    PROJECT = "project"


class FieldNames(Spec):
    """Names of the file's fields; null: recognise the layout."""

    func: str | None = None
    target: str | None = None
    id: str | None = None
    split: str | None = None
    project: str | None = None
    commit: str | None = None
    cwe: str | None = None
    pair: str | None = None
    before: str | None = Field(None, description="Vulnerable text of a row that holds a pair.")
    after: str | None = Field(None, description="Fixed text of a row that holds a pair.")
    date: str | None = None
    language: str | None = None

    @model_validator(mode="after")
    def _one_text_or_two(self) -> Self:
        if self.func is not None and (self.before is not None or self.after is not None):
            raise ValueError("name func, or before and after: one row holds one text or two")
        return self


class LabelWords(Spec):
    """What the values of the label column mean, in any case; empty: 1, true, yes, vulnerable … and their opposites."""

    vulnerable: list[str] = Field(default_factory=list)
    safe: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _mean_one_thing(self) -> Self:
        both = {word.strip().casefold() for word in self.vulnerable} & {word.strip().casefold() for word in self.safe}
        if both:
            raise ValueError(f"{', '.join(sorted(both))}: a value means vulnerable or safe, not both")
        return self


class EvaluationSplits(StrEnum):
    """Where all functions of a data set go that is for evaluation only."""

    TEST = "test"
    GATE_AND_TEST = "gate+test"

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that have functions."""
        return (Split.TEST,) if self is EvaluationSplits.TEST else (Split.GATE, Split.TEST)


class SplitBy(StrEnum):
    """What decides in which split a group of functions is."""

    RANDOM = "random"
    PUBLISHED = "published"
    TIME = "time"
    PROJECT = "project"


class SplitFractions(Spec):
    """Share of the functions in each split; they add up to 1."""

    train: float = Field(0.60, gt=0, lt=1)
    dev: float = Field(0.10, gt=0, lt=1)
    fuse: float = Field(0.10, gt=0, lt=1)
    gate: float = Field(0.12, gt=0, lt=1)
    test: float = Field(0.08, gt=0, lt=1)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = self.train + self.dev + self.fuse + self.gate + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the five fractions add up to {total:.4f}, expected 1")
        return self


class PrepareConfig(Spec):
    """Settings that turn a file of labelled functions into a data set."""

    fields: FieldNames = FieldNames()
    labels: LabelWords = LabelWords()
    languages: list[str] = Field(
        default_factory=lambda: ["c", "c++"],
        description="Languages that are kept, where the source states one; empty: all.",
    )
    max_left_out_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of rows that may be left out for a mistake: empty, not decodable, no function, without a "
        "label …; 0: none.",
    )
    split: SplitBy = Field(
        SplitBy.RANDOM,
        description="random: by group, with the shares of `splits`; published: the source's own; time: train is the "
        "oldest and test the newest; project: no project is in two splits.",
    )
    splits: SplitFractions = SplitFractions()
    evaluation: EvaluationSplits | None = Field(
        None,
        description="For evaluation only, without splits to train on: all functions in test, or divided by group "
        "between gate and test in proportion to `splits`; null: a set to train on.",
    )
    honour_split: dict[str, list[Split]] = Field(
        default_factory=dict,
        description="File's split name to ours, e.g. {'train': ['train'], 'valid': ['dev', 'fuse', 'gate', 'test']}; "
        "several: divided among them by group in proportion to `splits`; empty: by `split`.",
    )
    group_by: list[GroupBy] = Field(default_factory=lambda: [GroupBy.COMMIT, GroupBy.PAIR])
    split_seed: int = Field(0, ge=0)
    max_function_chars: int = Field(50_000, ge=100)
    max_nodes: int = Field(2_000, ge=16, description="Graph nodes kept per function.")
    token_vocab_size: int = Field(20_000, ge=16)
    near_duplicates: Literal["report", "group"] = Field(
        "report",
        description="Near-duplicates: report those that another split shares with train, or group "
        "them, so that no two splits share any.",
    )
    near_duplicate_similarity: float = Field(
        0.8,
        ge=0.5,
        le=1,
        description="Share of common runs of five tokens (Jaccard) from which on two functions are near-duplicates.",
    )

    @model_validator(mode="after")
    def _is_evaluated_whole(self) -> Self:
        given = [name for name in ("honour_split", "split") if name in self.model_fields_set]
        if self.evaluation is not None and any(getattr(self, name) not in ({}, SplitBy.RANDOM) for name in given):
            raise ValueError(f"evaluation puts every function into {self.evaluation}: leave out {' and '.join(given)}")
        return self

    @model_validator(mode="after")
    def _splits_are_assigned_in_one_way(self) -> Self:
        if self.honour_split and self.split not in (SplitBy.RANDOM, SplitBy.PUBLISHED):
            message = f"honour_split is for split: published; leave it out with split: {self.split}"
            raise FieldsDisagree(BrokenRule(at=("honour_split",), message=message))
        return self

    @property
    def split_by(self) -> SplitBy:
        """What decides: whoever maps the source's splits wants them."""
        return SplitBy.PUBLISHED if self.honour_split else self.split

    @property
    def used_splits(self) -> tuple[Split, ...]:
        """The splits that have functions."""
        return tuple(Split) if self.evaluation is None else self.evaluation.splits

    @property
    def tied_by(self) -> tuple[GroupBy, ...]:
        """What ties functions into groups that no split divides."""
        held = (GroupBy.PROJECT,) if self.split is SplitBy.PROJECT else ()
        return tuple(dict.fromkeys((*self.group_by, *held)))
