"""Answers about single functions: those of a data set, the graph and the verdicts of one, and where options err."""

from typing import Literal

from pydantic import Field

from cellgate.contract.api.common import Answer
from cellgate.contract.cells import CellName
from cellgate.contract.configs import Split
from cellgate.contract.decision import Stage
from cellgate.contract.documents import Probability
from cellgate.contract.options import Option

GraphQualityName = Literal["parsed", "partial", "token_chain", "ready"]
EdgeKind = Literal["ast", "cfg", "dfg", "next_token", "last_use"]
ErrorKind = Literal["false_positive", "false_negative"]
Label = Literal[0, 1]


class FunctionSummary(Answer):
    """A function of a data set, in a list."""

    row: int = Field(description="Number of the function in its data set, from 0.")
    id: str = Field(description="Id of the function, as the data set's source gives it, or made from its text.")
    name: str | None = Field(description="Name that its head declares; null where none was recognised.")
    split: Split
    label: Label = Field(description="1: vulnerable.")
    cwe: str | None = Field(description="Weaknesses, divided by commas, where they are known.")
    project: str | None
    lines: int = Field(description="Lines of its source.")
    tokens: int | None = Field(description="Tokens of C in its source, comments not counted; null where not known.")
    graph_quality: GraphQualityName


class GraphNode(Answer):
    """A node of a function's graph; edges name it by its place in the list."""

    kind: str = Field(description="Kind of the syntax, such as `call_expression`.")
    start_line: int = Field(description="Line of the source where it begins, from 1.")
    end_line: int = Field(description="Line where it ends, this one included.")
    start: int = Field(description="Place of its first character in the source, from 0, counted in code points.")
    end: int = Field(description="Place after its last character.")
    text: str = Field(description="Its source text on one line, cut after 80 characters.")


class GraphEdge(Answer):
    """An edge of a function's graph. Every edge is used in both directions."""

    kind: EdgeKind
    from_: int = Field(alias="from", description="Place of a node in the list of nodes.")
    to: int


class FunctionGraph(Answer):
    """The graph of a function, as prepare builds it from the source."""

    nodes: list[GraphNode] = Field(description="In the order of the source; the first is the root.")
    edges: list[GraphEdge]
    truncated: bool = Field(description="Whether nodes at the end of the function are left out.")


class FunctionPrediction(Answer):
    """What one trained model says of a function."""

    run: str | None = Field(description="Run that trained the model; null where that is not known any more.")
    cell: CellName
    seed: int
    probability: Probability = Field(description="Calibrated probability that the function is vulnerable.")
    vulnerable: bool = Field(description="Whether the probability reaches the model's threshold.")


class FunctionAnswer(FunctionSummary):
    """A function of a data set, with its source, its graph and the verdicts of an experiment's models."""

    dataset: str
    source: str = Field(
        description="As prepare has normalised it, cut after 1 MiB. It is somebody's text: never show it as HTML."
    )
    source_bytes: int = Field(description="Bytes of the whole source in UTF-8.")
    graph: FunctionGraph | None
    graph_missing: str | None = Field(description="Reason why there is no graph to show, in a sentence.")
    predictions: list[FunctionPrediction] = Field(
        description="Of the experiment that the query names, by cell and seed."
    )
    predictions_missing: str | None = Field(
        description="Reason why there are no predictions, in a sentence; null too where none were asked for."
    )


class SliceErrors(Answer):
    """Errors of one option on the functions of one weakness or project."""

    value: str = Field(description="The weakness or the project; empty: not known.")
    rows: int = Field(description="Functions of the gate split that it has.")
    positives: int = Field(description="Vulnerable ones among them.")
    false_positives: int
    false_negatives: int


class OptionErrors(Answer):
    """Errors of one option on the gate split: all its seeds together, at the threshold that was fixed on dev."""

    option: Option
    seeds: list[int]
    threshold: Probability
    false_positives: int
    false_negatives: int
    by_cwe: list[SliceErrors] = Field(
        description="Most errors first, at most 50; a function counts for each of its weaknesses."
    )
    by_project: list[SliceErrors] = Field(description="Most errors first, at most 50.")


class FunctionErrors(Answer):
    """A function of the gate split on which an option errs."""

    row: int = Field(description="Number of the function in the data set.")
    id: str
    name: str | None
    label: Label
    cwe: str | None
    project: str | None
    probability: dict[Option, Probability] = Field(description="Mean over the seeds, by option.")
    wrong: list[Option] = Field(description="Options that err, all their seeds together.")
    seeds_wrong: dict[Option, int] = Field(description="How many seeds of each option err on their own.")


class ErrorsAnswer(Answer):
    """Where the options of an experiment err on the gate split."""

    experiment: str
    dataset: str
    stage: Stage
    run: str = Field(description="Run of cell 54 that weighed the options.")
    rows: int = Field(description="Functions of the gate split.")
    positives: int
    options: list[OptionErrors] = Field(description="In the order of the evidence.")
    items: list[FunctionErrors] = Field(description="In the order of the data set.")
    next: str | None = Field(description="Cursor for `after`; null on the last page.")
