// Learning curves of every seed of 51, 52 and 53: mean and band by default, each seed while the pointer is over a chart.

import { useMemo, useState } from "preact/hooks";
import { type CellCurves, seedCurves, useBands, useMarks } from "../../charts/cells";
import { Chart } from "../../charts/chart";
import type { Band, Level, Series } from "../../charts/series";
import { FIRST_VIEW, type View, ViewControls } from "../../charts/view";
import { axesOf, type CurvesOfRuns, plotPoints, useCurves, zoomedPoints } from "../../metrics";
import type { Dataset, Decision, Experiment, Run } from "../../schemas";
import { LrFinder } from "./lr_finder";
import { trainedRuns } from "./steps";

const KEYS = ["dev/f1", "train/loss", "dev/loss", "grad_norm/*"];
const SCORE = { span: 0.1, bounds: [0, 1] as [number, number] };
const LOG = { log: true };
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
  const axes = useMemo(() => axesOf(Object.values(curves).flat()), [curves]);
  const levels = useMemo(() => levelsOf(experiment, dataset, decisions), [dataset, decisions]);
  const marks = useMarks(experiment, curves, view.axis);

  function onZoom(window: [number, number] | null): void {
    if (window !== null) setWhole(spanOf(seedCurves(runs, curves, view.axis)));
    setView({ ...view, window });
  }

  const shared = { xAxis: view.axis, smoothing: view.smoothing, window: view.window, onZoom, syncKey: "experiment", marks };
  const loss = view.log ? LOG : undefined;
  const f1 = useBands(runs, curves, "dev/f1", view, lookOf);
  const training = useBands(runs, curves, "train/loss", view, lookOf);
  const dev = useBands(runs, curves, "dev/loss", view, lookOf);
  const norm = useBands(runs, curves, "grad_norm/total", view, lookOf);
  const parts = useParts(runs, curves, view);
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
        <Chart title="F1 on dev" {...f1} {...shared} levels={levels} range={SCORE} digits={4} />
        <Chart title="Training loss" {...training} {...shared} range={loss} digits={4} />
        <Chart title="Loss on dev" {...dev} {...shared} range={loss} digits={4} />
        <Chart title="Gradient norm" {...norm} {...shared} range={LOG} digits={2} />
        <Chart
          title="Gradient norms in fusion: transformer, GNN, head"
          {...parts}
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

function lookOf(cell: string): { label: string; colour: string } {
  return COLOURS[cell] ?? { label: cell, colour: "--line-5" };
}

const transformer = () => ({ label: "transformer", colour: "--cell-51" });
const gnn = () => ({ label: "gnn", colour: "--cell-52" });
const head = () => ({ label: "head", colour: "--cell-53" });

/** The parts of fusion whose gradients are watched, each as a band over the seeds. */
function useParts(runs: Run[], curves: CurvesOfRuns, view: View): { bands: Band[]; series: Series[] } {
  const fusion = runs.filter((run) => run.cell === 53);
  const found = [
    useBands(fusion, curves, "grad_norm/transformer", view, transformer),
    useBands(fusion, curves, "grad_norm/gnn", view, gnn),
    useBands(fusion, curves, "grad_norm/head", view, head),
  ];
  return useMemo(
    () => ({ bands: found.flatMap((one) => one.bands), series: found.flatMap((one) => one.series) }),
    [...found],
  );
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
