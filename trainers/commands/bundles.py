"""`bundle`: make a bundle, check one, measure its lines and how edits change its verdicts, export one."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cellgate.contract.configs import Split
from cellgate.contract.specs import BundleKind
from trainers.commands.outcome import exit_on_trainer_error, exit_when_not_writable

BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder.")]
NewFolder = Annotated[Path, typer.Option(help="Folder to create; it must not exist.")]

bundle_app = typer.Typer(
    no_args_is_help=True, help="Make, check, measure or export a bundle: trained models that score source."
)


@bundle_app.command("pack")
def pack(
    kind: Annotated[BundleKind, typer.Option(help="How the models are joined.")],
    dataset: Annotated[Path, typer.Option(help="The data set that the runs were trained on.")],
    runs: Annotated[
        list[Path],
        typer.Option(
            "--run", metavar="FOLDER", help="Output folder of a finished run; repeat it for each model and each seed."
        ),
    ],
    out: NewFolder,
    text_weight: Annotated[
        float | None, typer.Option(metavar="W", help="Weight of the text model in an ensemble; default: tuned.")
    ] = None,
    licence_notes: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Licence notes for those who receive the bundle.")
    ] = None,
    deployment_prevalence: Annotated[
        float | None,
        typer.Option(metavar="P", help="Share of vulnerable functions where it will run, for its scores there."),
    ] = None,
    alerts_per_1000: Annotated[
        float | None,
        typer.Option(metavar="N", help="Alerts there per 1,000 functions, at most, for a threshold that keeps to it."),
    ] = None,
    selective_risk: Annotated[
        float | None,
        typer.Option(metavar="R", help="Share of its verdicts that may be wrong; near the threshold it gives none."),
    ] = None,
    compare: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of functions whose scores are compared with the stored ones."),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(metavar="T", help="Largest accepted difference of two probabilities.")
    ] = None,
) -> None:
    """Make a bundle of finished runs."""
    from trainers.bundle.packing import pack_bundle

    given: dict[str, Any] = {"licence_notes": licence_notes, "compared": compare, "tolerance": tolerance}
    with exit_on_trainer_error(with_reason=True), exit_when_not_writable(out):
        manifest = pack_bundle(
            out,
            kind=kind,
            runs=runs,
            dataset=dataset,
            text_weight=text_weight,
            deployment_prevalence=deployment_prevalence,
            alerts_per_1000=alerts_per_1000,
            selective_risk=selective_risk,
            **{name: value for name, value in given.items() if value is not None},
        )
    shown = {"id", "kind", "threshold", "text_weight", "agreement", "deployment", "abstention"}
    _print(manifest.model_dump(mode="json", include=shown))


@bundle_app.command("check")
def check(bundle: BundleArgument) -> None:
    """Verify every file of a bundle and run its self-test."""
    from trainers.bundle.bundle import Bundle

    with exit_on_trainer_error(with_reason=True):
        opened = Bundle.open(bundle, self_test=False)
        difference = opened.self_test()
    _print({"id": opened.manifest.id, "kind": opened.manifest.kind, "self_test_difference": difference})


@bundle_app.command("onnx")
def onnx(bundle: BundleArgument, out: NewFolder) -> None:
    """Export the text models as ONNX (extra `onnx`)."""
    from trainers.bundle.onnx_export import export_onnx

    with exit_on_trainer_error(with_reason=True), exit_when_not_writable(out):
        difference = export_onnx(bundle, out)
    _print({"largest_difference": difference})


@bundle_app.command("lines")
def lines(
    bundle: BundleArgument,
    dataset: Annotated[Path, typer.Option(help="A prepared data set with pairs: a function and its patched version.")],
    split: Annotated[Split, typer.Option(help="Whose pairs are ranked.")] = Split.GATE,
    as_json: Annotated[bool, typer.Option("--json", help="Print for a program.")] = False,
) -> None:
    """Measure how soon the lines that it names lead to those that patches change."""
    from trainers.bundle.bundle import Bundle
    from trainers.bundle.line_evaluation import evaluate_lines
    from trainers.data.dataset import Dataset

    with exit_on_trainer_error(with_reason=True):
        report = evaluate_lines(Bundle.open(bundle), Dataset.open(dataset), split)
    if as_json:
        _print(report.as_document())
    else:
        print(report.as_text(), end="")


@bundle_app.command("edits")
def edits(
    bundle: BundleArgument,
    dataset: Annotated[Path, typer.Option(help="A prepared data set.")],
    split: Annotated[Split, typer.Option(help="Whose functions are edited.")] = Split.GATE,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Functions at most, spread evenly; default: all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print for a program.")] = False,
) -> None:
    """Measure how many verdicts change with edits that keep what a function does."""
    from trainers.bundle.bundle import Bundle
    from trainers.bundle.invariance import measure_invariance
    from trainers.data.dataset import Dataset

    with exit_on_trainer_error(with_reason=True):
        found = measure_invariance(Bundle.open(bundle), Dataset.open(dataset), split, limit=limit)
    if as_json:
        _print({} if found is None else found.model_dump(mode="json"))
    else:
        print("\n".join(["no function can be edited"] if found is None else found.as_lines()))


def _print(document: dict[str, object]) -> None:
    print(json.dumps(document, indent=2))
