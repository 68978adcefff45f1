"""The report's page: figures as the document has them, drawn where they belong, and nothing in it that could run."""

from pathlib import Path

import pytest

from cellgate.contract.options import Option
from cellgate.contract.report import HardFunction, ReliabilityBin, SeedReport, SliceReport, SliceScores, write_report
from cellgate.contract.text import count, p_value, signed
from tests.fakes import F1s, abstention, deployment_scores, evidence, pair_verdicts, seed_report, shippable
from tests.hostile_text import EVERYTHING
from trainers.__main__ import main
from trainers.report import charts
from trainers.report.page import render

F1S: F1s = {"transformer": [0.80, 0.90], "gnn": [0.70, 0.74], "ensemble": [0.90, 0.92]}
EVIL = f"<img src=x onerror=alert(1)>{EVERYTHING}"


@pytest.fixture
def report() -> SeedReport:
    """Of three options over two seeds."""
    forms = [shippable("gnn", [1], 0.74), shippable("gnn", [0, 1], 0.7512, 0.0112)]
    return seed_report(evidence(F1S, shippable=forms))


def hard(**wrong: int) -> HardFunction:
    options: tuple[Option, ...] = ("transformer", "gnn", "ensemble")
    return HardFunction(
        id=EVIL,
        vulnerable=True,
        project=EVIL,
        cwe="CWE-787",
        probability=dict.fromkeys(options, 0.25),
        wrong={option: wrong.get(option, 0) for option in options},
    )


def test_every_option_and_form_has_its_figures(report: SeedReport) -> None:
    page = render(report)

    for figure in ("0.8500", "0.7200", "0.9100", "0.800 0.900", "0.840 to 0.860", "10.0 %", "0.7512", "+0.0112"):
        assert figure in page, figure


def test_verdicts_on_pairs_stand_by_seed_with_mean_and_interval_where_there_are_pairs(report: SeedReport) -> None:
    without = render(report)
    first, *others = report.evidence.options
    judged = first.model_copy(update={"pair_verdicts": pair_verdicts([0.7, 0.8])})
    weighed = report.evidence.model_copy(update={"options": [judged, *others]})

    page = render(report.model_copy(update={"evidence": weighed}))

    assert 'id="verdicts"' not in without
    assert "the 75 pairs of a vulnerable function" in page
    assert "<strong>0.750</strong> <small>0.740 to 0.760<br>0.700 0.800</small>" in page
    assert "<strong>0.250</strong> <small>0.240 to 0.260<br>0.300 0.200</small>" in page


def test_scores_at_a_prevalence_stand_where_one_is_stated(report: SeedReport) -> None:
    without = render(report)
    first, *others = report.evidence.options
    judged = first.model_copy(update={"deployment": deployment_scores(0.15)})
    weighed = report.evidence.model_copy(update={"options": [judged, *others]})

    page = render(report.model_copy(update={"evidence": weighed}))

    assert 'id="deployment"' not in without
    assert "At a prevalence of 1.0 %" in page
    assert "<strong>0.150</strong> <small>0.140 to 0.160</small>" in page
    assert "<strong>40.0</strong> <small>40.0 to 40.0</small>" in page
    assert "At most 5 alerts per 1,000 functions" in page
    assert "<strong>0.450</strong> <small>0.440 to 0.460</small>" in page


def test_coverage_and_risk_stand_where_a_risk_is_stated(report: SeedReport) -> None:
    without = render(report)
    first, second, *others = report.evidence.options
    silent = abstention(0.0).model_copy(update={"margins": [None, 1.5], "risk": None})
    options = [
        first.model_copy(update={"abstention": abstention(0.8)}),
        second.model_copy(update={"abstention": silent}),
        *others,
    ]

    page = render(report.model_copy(update={"evidence": report.evidence.model_copy(update={"options": options})}))

    assert 'id="abstention"' not in without
    assert "Verdicts where at most 5.0 % may be wrong" in page
    assert "<strong>0.800</strong> <small>0.790 to 0.810</small>" in page
    assert "<strong>0.040</strong> <small>0.030 to 0.050</small>" in page
    assert "0.75 1.50" in page
    assert "abstains always 1.50" in page
    # At a coverage of one half, 2 % are wrong.
    assert f"{charts.FRAME.x(0.5)},{charts.FRAME.y(0.02)}" in page


def test_without_a_judgement_there_is_neither_decision_nor_gate(report: SeedReport) -> None:
    page = render(report)

    assert 'id="options"' in page
    assert 'id="decision"' not in page
    assert 'id="gate"' not in page
    assert "None" not in page


def test_what_one_seed_or_a_split_without_a_vulnerable_function_cannot_tell_is_a_dash() -> None:
    alone = seed_report(evidence({"transformer": [0.8], "gnn": [0.7], "ensemble": [0.9]}))
    options = [
        option.model_copy(update={"flip_rate": None, "unsteady": None, "curves": [[]]}) for option in alone.options
    ]
    weighed = [option.model_copy(update={"auprc": None, "vd_s": None}) for option in alone.evidence.options]
    unsure = alone.evidence.model_copy(update={"options": weighed, "positives": 0})

    page = render(alone.model_copy(update={"options": options, "evidence": unsure}))

    assert "AUPRC –" in page
    # of each option: AUPRC, VD-S, flip rate and F1 on test; and F1 on test once more, seed by seed
    assert page.count('<td class="number">–</td>') == 3 * 4 + 3
    assert "None" not in page


def test_what_a_data_set_calls_its_functions_cannot_become_markup(report: SeedReport) -> None:
    found = report.hard_functions.model_copy(update={"common": [hard(gnn=2)], "common_total": 7})
    scores = SliceScores(accuracy=0.5, precision=0.5, recall=None, f1=None)
    options: tuple[Option, ...] = ("transformer", "gnn", "ensemble")
    named = SliceReport(slice="project", value=EVIL, rows=9, positives=0, scores=dict.fromkeys(options, scores))

    page = render(report.model_copy(update={"hard_functions": found, "slices": [named]}))

    assert EVIL not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") == 3
    assert "Both base models wrong (7, the surest 1 shown)" in page
    assert "0.25 \u27172" in page


def test_an_option_stands_where_its_f1_is_on_the_axis(report: SeedReport) -> None:
    # From the lowest seed, 0.70, to the highest end of an interval, 0.92, each a little further, in steps of 0.02.
    line = charts.whiskers(report.evidence.options, []).line

    assert (line.low, line.high) == pytest.approx((0.68, 0.94))
    assert line.at(0.81) == pytest.approx(50.0)
    assert line.at(0.745) - line.at(0.68) == pytest.approx(25.0)
    assert line.ticks == pytest.approx([0.68, 0.745, 0.81, 0.875, 0.94])


def test_a_threshold_far_from_everything_is_not_drawn(report: SeedReport) -> None:
    shown = charts.whiskers(report.evidence.options, [("near", 0.95), ("far", 0.2)])

    assert list(shown.marks) == [("near", 0.95)]
    assert shown.line.high == pytest.approx(0.96)


def test_the_axis_ends_at_one() -> None:
    perfect = evidence({"transformer": [1.0], "gnn": [1.0], "ensemble": [1.0]})

    assert charts.whiskers(perfect.options, []).line.high == 1.0


def test_points_stand_where_their_shares_are(report: SeedReport) -> None:
    (drawn,) = charts.reliability([ReliabilityBin(rows=9, probability=0.25, vulnerable=0.75)])
    frame = charts.FRAME

    assert (drawn.x, drawn.y, drawn.ideal_y) == (frame.left + 50, frame.top + 50, frame.top + 150)
    # The rings: recall and precision of each seed, which are both its F1 here.
    assert charts.curves(report.options[0]).points == [
        (frame.left + 160, frame.top + 40),
        (frame.left + 180, frame.top + 20),
    ]


def test_numbers_read_as_people_write_them() -> None:
    assert [signed(value) for value in (0.0123, -0.0123, -0.00001)] == ["+0.0123", "−0.0123", "+0.0000"]
    assert [count(value) for value in (1234.0, 0.5, 2)] == ["1,234", "0.5", "2"]
    assert [p_value(value) for value in (0.00001, 0.03, 1.0)] == ["< 0.0001", "0.0300", "1.0000"]


def test_the_command_writes_the_page_beside_the_report(
    report: SeedReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(tmp_path / "report.json", report)

    assert main(["report", str(tmp_path)]) == 0

    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(report)


def test_the_command_says_where_there_is_no_report_or_no_place_for_the_page(
    report: SeedReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 3
    assert "report.json: no report of cell 54" in capsys.readouterr().err
    (tmp_path / "report.json").write_text("{}")
    assert main(["report", str(tmp_path)]) == 3

    write_report(tmp_path / "report.json", report)
    (tmp_path / "a file").touch()
    assert main(["report", str(tmp_path), "--html", str(tmp_path / "a file" / "page.html")]) == 2
    assert "check --html" in capsys.readouterr().err
