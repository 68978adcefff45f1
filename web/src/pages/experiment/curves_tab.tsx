// Learning curves of every seed of 51, 52 and 53: mean and band by default, each seed while the pointer is over a chart.

import { useMemo, useState } from "preact/hooks";
import { bandsOf, type CellCurves, seedCurves, useMarks } from "../../charts/cells";
import { Chart } from "../../charts/chart";
import type { Level, Series } from "../../charts/series";
import { FIRST_VIEW, type View, ViewControls } from "../../charts/view";
import { axesOf, plotPoints, useCurves, zoomedPoints } from "../../metrics";
import type { Dataset, Decision, Experiment } from "../../schemas";
import { LrFinder } from "./lr_finder";
import { trainedRuns } from "./steps";

const KEYS = ["dev/f1", "train/loss", "dev/loss", "grad_norm/*"];
const SCORE = { span: 0.1, bounds: [0, 1] as [number, number] };
const LOG = { log: true };
const PARTS: [string, string][] = [
  ["transformer", "--cell-51"],
  ["gnn", "--cell-52"],
  ["head", "--cell-53"],
];

export interface CurvesTabProps {
  experiment: Experiment;
  dataset: Dataset | null;
  decisions: Decision[];
}

export function CurvesTab({ experiment, dataset, decisions }: CurvesTabProps) {
  const runs = trainedRuns(experiment);
  const [view, setView] = useState<View>(FIRST_VIEW);
  const [pixels] = useState(plotPoints);
  const [whole, setWhole] = useState(0);
  const [open, setOpen] = useState(false);
  const part = view.window === null ? 0 : view.window[1] - view.window[0];
  const curves = useCurves(runs, KEYS, part > 0 && whole > 0 ? zoomedPoints(pixels, whole, part) : pixels);
  const cells = useMemo(() => seedCurves(runs, curves, view.axis), [curves, view.axis, runs.map((run) => run.id).join()]);
  const axes = useMemo(() => axesOf(Object.values(curves).flat()), [curves]);
  const levels = useMemo(() => levelsOf(experiment, dataset, decisions), [dataset, decisions]);
  const marks = useMarks(experiment, curves, view.axis);

  function onZoom(window: [number, number] | null): void {
    if (window !== null) setWhole(spanOf(cells));
    setView({ ...view, window });
  }

  const shared = { xAxis: view.axis, smoothing: view.smoothing, window: view.window, onZoom, syncKey: "experiment", marks };
  const loss = view.log ? LOG : undefined;
  return (
    <section class="card" aria-labelledby="curves">
      <div class="head">
        <h2 id="curves">Learning curves</h2>
        <span class="quiet">
          {view.each ? "colour: cell, dashes: seed" : "line: mean of the seeds, band: lowest to highest, seeds on hover"}
        </span>
      </div>
      <ViewControls view={view} axes={axes} onView={setView} seeds />
      <div class="charts">
        <Chart title="F1 on dev" {...drawn(cells, "dev/f1", view)} {...shared} levels={levels} range={SCORE} digits={4} />
        <Chart title="Training loss" {...drawn(cells, "train/loss", view)} {...shared} range={loss} digits={4} />
        <Chart title="Loss on dev" {...drawn(cells, "dev/loss", view)} {...shared} range={loss} digits={4} />
        <Chart title="Gradient norm" {...drawn(cells, "grad_norm/total", view)} {...shared} range={LOG} digits={2} />
        <Chart
          title="Gradient norms in fusion: transformer, GNN, head"
          {...parts(cells, view)}
          {...shared}
          range={LOG}
          digits={2}
        />
      </div>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>LR range tests</summary>
        {open && (
          <div class="charts">
            <LrFinder runs={runs} />
          </div>
        )}
      </details>
    </section>
  );
}

const COLOURS: Record<string, { label: string; colour: string }> = {
  "51": { label: "51 transformer", colour: "--cell-51" },
  "52": { label: "52 gnn", colour: "--cell-52" },
  "53": { label: "53 fusion", colour: "--cell-53" },
};

function drawn(cells: CellCurves[], key: string, view: View) {
  return bandsOf(cells, key, view.each, (cell) => COLOURS[cell] ?? { label: cell, colour: "--line-5" });
}

/** The parts of fusion whose gradients are watched, each as a band over the seeds. */
function parts(cells: CellCurves[], view: View) {
  const fusion = cells.filter((cell) => cell.cell === "53");
  const found = PARTS.map(([part, colour]) => bandsOf(fusion, `grad_norm/${part}`, view.each, () => ({ label: part, colour })));
  return { bands: found.flatMap((one) => one.bands), series: found.flatMap((one) => one.series) };
}

function levelsOf(experiment: Experiment, dataset: Dataset | null, decisions: Decision[]): Level[] {
  const levels: Level[] = [{ at: experiment.spec.policy.gate_f1, name: "gate" }];
  const evidence = decisions.at(-1)?.evidence;
  if (evidence) levels.push({ at: evidence.all_positive_f1, name: "all-positive" });
  const bag = dataset?.summary?.bag_of_tokens_f1;
  if (bag != null) levels.push({ at: bag, name: "bag of tokens" });
  return levels;
}

function spanOf(cells: CellCurves[]): number {
  const ends = cells.flatMap((cell) => [...cell.byKey.values()].flat()).map((line: Series) => line.x.at(-1) ?? 0);
  return Math.max(0, ...ends);
}
