"""`bundle` and `predict`: make a bundle, check one, export one, score files with one."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.specs import BundleKind, Explain
from cellgate.contract.visible import visible_json, visible_line
from trainers.commands.outcome import exit_on_trainer_error, exit_when_not_writable

# Not 1, with which Python itself ends when it fails.
FOUND = 9
Format = Literal["text", "json", "sarif"]
BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder.")]
NewFolder = Annotated[Path, typer.Option(help="Folder to create; it must not exist.")]

bundle_app = typer.Typer(no_args_is_help=True, help="Make, check or export a bundle: trained models that score source.")


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
            **{name: value for name, value in given.items() if value is not None},
        )
    _print(manifest.model_dump(mode="json", include={"id", "kind", "threshold", "text_weight", "agreement"}))


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


def predict(
    bundle: BundleArgument,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Source files, or folders of source files.")],
    format_: Annotated[Format, typer.Option("--format", help="How to print the scores.")] = "text",
    threshold: Annotated[
        float | None, typer.Option(metavar="P", help="Threshold instead of the bundle's own, 0 to 1.")
    ] = None,
    explain: Annotated[Explain, typer.Option(help="Functions whose heaviest lines are named.")] = "findings",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there instead of standard output.")] = None,
) -> None:
    """Score the functions of C and C++ files with a bundle.

    Exit codes: 0 no finding; 9 at least one; 2 wrong usage; 3 the bundle or a file cannot be read (the other files
    are scored and printed).
    """
    from cellgate.contract.files import write_bytes
    from trainers.bundle.bundle import Bundle
    from trainers.bundle.sarif import as_sarif
    from trainers.bundle.scan import scan
    from trainers.bundle.scan_report import as_json, as_text

    formats = {"text": as_text, "json": as_json, "sarif": as_sarif}
    with exit_on_trainer_error(with_reason=True):
        found = scan(Bundle.open(bundle), files, threshold=threshold, explain=explain)
    text = formats[format_](found)
    with exit_when_not_writable(out, ExitCode.BAD_SPEC):
        if out is None:
            # Text is safe to show already; in JSON escapes mean the same.
            sys.stdout.write(visible_json(text))
        else:
            write_bytes(out, text.encode())
    for problem in found.problems:
        print(visible_line(str(problem)), file=sys.stderr)
    if found.problems:
        raise typer.Exit(ExitCode.DATA_ERROR)
    raise typer.Exit(FOUND if found.findings else ExitCode.SUCCESS)


def _print(document: dict[str, object]) -> None:
    print(json.dumps(document, indent=2))
