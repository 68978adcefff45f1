"""The dashboard's types are generated from the OpenAPI document, and its charts show measured points only."""

import json
from pathlib import Path

WEB = Path(__file__).resolve().parents[3] / "web"


def test_a_build_generates_the_types_and_checks_the_pages_against_them() -> None:
    build = json.loads((WEB / "package.json").read_text())["scripts"]["build"]

    assert build.split(" && ") == ["npm run --silent types", "tsc --noEmit", "vite build"]


def test_no_page_writes_down_what_the_api_answers() -> None:
    declared = [
        path.name
        for path in (WEB / "src").rglob("*.ts*")
        if path.name != "api-types.ts" and "created_at:" in path.read_text()
    ]

    assert declared == []


def test_no_chart_computes_a_point_that_was_not_measured() -> None:
    metrics = (WEB / "src" / "metrics.ts").read_text()

    assert "max_points=${" in metrics
    assert "reduce" not in metrics
