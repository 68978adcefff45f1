"""`python -m trainers bundle` and `python -m trainers predict`: make a bundle, check one, score files with one."""

import argparse
import json
import sys
from pathlib import Path

from cellgate.contract.errors import TrainerError
from cellgate.contract.exit_codes import ExitCode

# Not 1, with which Python itself ends when it fails.
FOUND = 9


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands to the trainers' command line."""
    _add_bundle(commands.add_parser("bundle", help="make, check or export a bundle: trained models that score source"))
    _add_predict(
        commands.add_parser(
            "predict",
            help="score the functions of C and C++ files with a bundle",
            epilog=f"Exit codes: 0 no finding; {FOUND} at least one; 2 wrong usage; 3 the bundle or a file cannot be "
            "read (what could be is scored and told).",
        )
    )


def _add_bundle(bundle: argparse.ArgumentParser) -> None:
    actions = bundle.add_subparsers(dest="action", required=True)
    pack = actions.add_parser("pack", help="make a bundle of finished runs")
    pack.add_argument("--kind", choices=["single", "ensemble", "fusion"], required=True)
    pack.add_argument("--dataset", type=Path, required=True, help="the data set that the runs were trained on")
    pack.add_argument(
        "--run",
        type=Path,
        required=True,
        action="append",
        dest="runs",
        metavar="FOLDER",
        help="output folder of a finished run; repeat it for each model and each seed",
    )
    pack.add_argument("--out", type=Path, required=True, help="folder to make; must not exist")
    pack.add_argument("--text-weight", type=float, metavar="W", help="of the text model in an ensemble; default: tuned")
    pack.add_argument("--licence-notes", metavar="TEXT", help="what whoever passes the bundle on must know")
    pack.add_argument("--compare", type=int, metavar="N", help="functions to compare with what the runs stored")
    pack.add_argument("--tolerance", type=float, metavar="T", help="how far their probabilities may be apart")
    check = actions.add_parser("check", help="verify every file of a bundle and run its self-test")
    check.add_argument("bundle", type=Path, metavar="BUNDLE")
    onnx = actions.add_parser("onnx", help="export the text models as ONNX (extra `onnx`)")
    onnx.add_argument("bundle", type=Path, metavar="BUNDLE")
    onnx.add_argument("--out", type=Path, required=True, help="folder to make; must not exist")


def _add_predict(predict: argparse.ArgumentParser) -> None:
    predict.add_argument("bundle", type=Path, metavar="BUNDLE", help="a bundle's folder")
    predict.add_argument("files", type=Path, nargs="+", metavar="FILE", help="source file, or folder of such")
    predict.add_argument("--format", choices=["text", "json", "sarif"], default="text", help="default: text")
    predict.add_argument("--threshold", type=float, metavar="P", help="instead of the bundle's own, 0 to 1")
    predict.add_argument(
        "--explain",
        choices=["none", "findings", "all"],
        default="findings",
        help="for which functions to say which lines weighed most; default: findings",
    )
    predict.add_argument("--out", type=Path, metavar="FILE", help="write there instead of standard output")


def run_bundle(parsed: argparse.Namespace) -> int:
    """Make, check or export a bundle; return the exit code."""
    actions = {"pack": _pack, "check": _check, "onnx": _export}
    try:
        told = actions[parsed.action](parsed)
    except TrainerError as error:
        return _complain(error)
    except OSError as error:
        print(f"{parsed.out}: cannot be written: {error}", file=sys.stderr)
        return ExitCode.INTERNAL_ERROR
    print(json.dumps(told, indent=2))
    return ExitCode.SUCCESS


def _pack(parsed: argparse.Namespace) -> dict[str, object]:
    # The models' libraries take seconds to import.
    from trainers.bundle.packing import pack_bundle

    given = {"licence_notes": parsed.licence_notes, "compared": parsed.compare, "tolerance": parsed.tolerance}
    manifest = pack_bundle(
        parsed.out,
        kind=parsed.kind,
        runs=parsed.runs,
        dataset=parsed.dataset,
        text_weight=parsed.text_weight,
        **{name: value for name, value in given.items() if value is not None},
    )
    return manifest.model_dump(mode="json", include={"id", "kind", "threshold", "text_weight", "agreement"})


def _check(parsed: argparse.Namespace) -> dict[str, object]:
    from trainers.bundle.bundle import Bundle

    bundle = Bundle.open(parsed.bundle, self_test=False)
    return {"id": bundle.manifest.id, "kind": bundle.manifest.kind, "self_test_difference": bundle.self_test()}


def _export(parsed: argparse.Namespace) -> dict[str, object]:
    from trainers.bundle.onnx_export import export_onnx

    return {"largest_difference": export_onnx(parsed.bundle, parsed.out)}


def run_predict(parsed: argparse.Namespace) -> int:
    """Score files; return the exit code."""
    from cellgate.contract.files import write_bytes
    from trainers.bundle.bundle import Bundle
    from trainers.bundle.sarif import as_sarif
    from trainers.bundle.scan import scan
    from trainers.bundle.scan_report import as_json, as_text

    formats = {"text": as_text, "json": as_json, "sarif": as_sarif}
    try:
        found = scan(Bundle.open(parsed.bundle), parsed.files, threshold=parsed.threshold, explain=parsed.explain)
    except TrainerError as error:
        return _complain(error)
    told = formats[parsed.format](found)
    try:
        if parsed.out is None:
            sys.stdout.write(told)
        else:
            write_bytes(parsed.out, told.encode())
    except OSError as error:
        print(f"{parsed.out}: cannot be written: {error}", file=sys.stderr)
        return ExitCode.BAD_SPEC
    for problem in found.problems:
        print(problem, file=sys.stderr)
    if found.problems:
        return ExitCode.DATA_ERROR
    return FOUND if found.findings else ExitCode.SUCCESS


def _complain(error: TrainerError) -> int:
    print(f"{error.reason}: {error}", file=sys.stderr)
    return error.exit_code
