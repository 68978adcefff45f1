// Curves of several runs put together by cell: mean and band of the seeds, or each seed, and what happened to them.

import { useMemo } from "preact/hooks";
import { type CurveAxis, type CurvesOfRuns, seriesOf } from "../metrics";
import { usePoll } from "../poll";
import type { Experiment, Run, RunEvent } from "../schemas";
import { ended } from "../states";
import { type Band, bandOf, type Mark, type Series } from "./series";
import type { View } from "./view";

export interface CellCurves {
  cell: string;
  /** Curves of its seeds, by key. */
  byKey: Map<string, Series[]>;
}

/** Put the curves of runs together by cell. */
export function seedCurves(runs: Run[], curves: CurvesOfRuns, axis: CurveAxis): CellCurves[] {
  const seeds = [...new Set(runs.map((run) => run.seed))];
  const cells = new Map<string, CellCurves>();
  for (const run of runs) {
    const name = String(run.cell);
    const cell = cells.get(name) ?? { cell: name, byKey: new Map<string, Series[]>() };
    cells.set(name, cell);
    for (const curve of curves[run.id] ?? []) {
      const look = { label: `${name} seed ${run.seed}`, colour: `--cell-${name}`, dash: seeds.indexOf(run.seed) };
      const line = seriesOf(curve, axis, look);
      if (line !== null) cell.byKey.set(curve.key, [...(cell.byKey.get(curve.key) ?? []), line]);
    }
  }
  return [...cells.values()];
}

/** Return what a chart draws of one key: a band for each cell, or each seed. */
export function bandsOf(
  cells: CellCurves[],
  key: string,
  each: boolean,
  look: (cell: string) => { label: string; colour: string },
): { bands: Band[]; series: Series[] } {
  const found = cells.flatMap(({ cell, byKey }) => {
    const seeds = byKey.get(key) ?? [];
    return seeds.length > 0 ? [{ ...look(cell), seeds }] : [];
  });
  if (!each) return { bands: found.map(({ label, colour, seeds }) => bandOf(label, colour, seeds)), series: [] };
  return { bands: [], series: found.flatMap(({ label, colour, seeds }) => seeds.map((seed) => named(seed, label, colour))) };
}

/**
 * Return what a chart draws of one key: the same objects until one of its curves has new points.
 *
 * @param look Of a cell; the same for every call.
 */
export function useBands(
  runs: Run[],
  curves: CurvesOfRuns,
  key: string,
  view: Pick<View, "axis" | "each">,
  look: (cell: string) => { label: string; colour: string },
): { bands: Band[]; series: Series[] } {
  const own = runs.map((run) => curves[run.id]?.find((curve) => curve.key === key));
  return useMemo(() => {
    const ofKey = Object.fromEntries(runs.map((run, place) => [run.id, own[place] ? [own[place]] : []]));
    return bandsOf(seedCurves(runs, ofKey, view.axis), key, view.each, look);
  }, [key, view.axis, view.each, ...own]);
}

function named(seed: Series, label: string, colour: string): Series {
  return { ...seed, label: seed.label.replace(/^\d+/, label), colour };
}

const LAST_EVENTS = 500;

/** Where seeds collapsed or were tried again, on the axis of the charts. */
export function useMarks(experiment: Experiment, curves: CurvesOfRuns, axis: CurveAxis): Mark[] {
  const over = ended(experiment.state);
  const path = `/v1/experiments/${experiment.id}/events?order=desc&limit=${LAST_EVENTS}`;
  const { value } = usePoll<RunEvent[]>(path, () => over);
  const runs = new Map(experiment.jobs.flatMap((job) => job.runs).map((run) => [run.id, run]));
  return useMemo(() => {
    const marks: Mark[] = [];
    const saved = new Map<string, number>();
    for (const event of [...(value ?? [])].reverse()) {
      const run = event.run === null ? undefined : runs.get(event.run);
      const step = event.body["step"];
      if (run === undefined) continue;
      const who = `${run.cell}·${run.seed}`;
      if (event.kind === "collapse" && typeof step === "number") {
        const x = placeOf(curves, run.id, step, axis);
        if (x !== null) marks.push({ x, name: `${who} ${String(event.body["type"] ?? "collapse").replaceAll("_", " ")}`, tone: "bad" });
      }
      // An attempt goes on from the last checkpoint of the one before.
      if (event.kind === "checkpoint" && typeof step === "number") saved.set(run.id, step);
      if (event.kind === "started" && (event.attempt ?? 1) > 1) {
        const x = placeOf(curves, run.id, saved.get(run.id) ?? 0, axis);
        if (x !== null) marks.push({ x, name: `${who} attempt ${event.attempt}`, tone: "warn" });
      }
    }
    return marks;
  }, [value, curves, axis]);
}

function placeOf(curves: CurvesOfRuns, run: string, step: number, axis: CurveAxis): number | null {
  if (axis === "step") return step;
  const [curve] = curves[run] ?? [];
  if (curve === undefined) return null;
  const line = seriesOf(curve, axis, { label: "", colour: "", dash: 0 });
  const place = curve.steps.findIndex((at) => at >= step);
  return line?.x[place < 0 ? curve.steps.length - 1 : place] ?? null;
}
