// Curves of several runs at once: each is read again only while its run goes on.

import { useEffect, useState } from "preact/hooks";
import { read } from "./api";
import { ascending, type Series, valueAt } from "./charts/series";
import type { Curve, Run, RunMetrics } from "./schemas";
import { ended } from "./states";

const EVERY_S = 3;
// The server thins a curve to measured points: first, last, lowest and highest of each interval.
const FEWEST_POINTS = 4;
const MOST_POINTS = 100_000;
/** A plot is never wider than this in CSS pixels, whatever the window. */
const WIDEST_PLOT = 1280;

export type CurvesOfRuns = Record<string, Curve[]>;

/**
 * The curves of runs, by run id.
 *
 * @param keys Which; null: all of them.
 * @param points Of each curve at most.
 */
export function useCurves(runs: Run[], keys: string[] | null, points: number): CurvesOfRuns {
  const [curves, setCurves] = useState<CurvesOfRuns>({});
  const started = runs.filter((run) => run.attempt > 0);
  const wanted = started.map((run) => `${run.id}:${ended(run.state)}`).join();
  const query = keys === null ? "" : `&keys=${keys.map(encodeURIComponent).join()}`;
  useEffect(() => {
    const abort = new AbortController();
    const etags = new Map<string, string | null>();
    let timer: number | undefined;

    async function poll(): Promise<void> {
      for (const run of started) {
        if (abort.signal.aborted) return;
        if (ended(run.state) && etags.has(run.id)) continue;
        const path = `/v1/runs/${run.id}/metrics?max_points=${points}${query}`;
        const answer = await read<RunMetrics>(path, etags.get(run.id) ?? null, abort.signal);
        if (answer.kind !== "fresh") continue;
        etags.set(run.id, answer.etag);
        const { curves } = answer.value;
        setCurves((was) => ({ ...was, [run.id]: curves }));
      }
      if (started.some((run) => !ended(run.state) || !etags.has(run.id))) {
        timer = window.setTimeout(loop, 1000 * EVERY_S * (document.hidden ? 10 : 1));
      }
    }

    function loop(): void {
      poll().catch(() => undefined);
    }

    loop();
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [wanted, query, points]);
  return curves;
}

/** How many points of one curve a plot can show: as many as it has pixels from left to right. */
export function plotPoints(): number {
  const width = Math.min(WIDEST_PLOT, document.documentElement.clientWidth);
  return Math.max(FEWEST_POINTS, Math.round(width * devicePixelRatio));
}

/** How many points of the whole curve are asked for, so that a part of it has as many as the plot has pixels. */
export function zoomedPoints(pixels: number, whole: number, part: number): number {
  const wanted = part > 0 ? (pixels * whole) / part : pixels;
  return Math.min(MOST_POINTS, Math.max(FEWEST_POINTS, Math.round(wanted)));
}

/** What x can be. */
export type CurveAxis = "step" | "epoch" | "time";

/** Which of them these curves can be drawn by. */
export function axesOf(curves: Curve[]): CurveAxis[] {
  const axes: CurveAxis[] = ["step"];
  if (curves.some((curve) => epochsBySteps(curves, curve) !== null)) axes.push("epoch");
  if (curves.some((curve) => curve.times_s != null)) axes.push("time");
  return axes;
}

/** Return a run's curve as a chart draws it; null where it is not known at which x it was measured. */
export function seriesOf(
  curve: Curve,
  all: Curve[],
  axis: CurveAxis,
  look: Pick<Series, "label" | "colour" | "dash">,
): Series | null {
  const x = xOf(curve, all, axis);
  return x === null ? null : { ...look, x, values: curve.values, points: curve.points };
}

function xOf(curve: Curve, all: Curve[], axis: CurveAxis): number[] | null {
  if (axis === "step") return curve.steps;
  if (axis === "time") return curve.times_s == null ? null : ascending(curve.times_s);
  return epochsBySteps(all, curve);
}

/** Steps as fractions of epochs: a run's evaluations say at which step each epoch ended. */
function epochsBySteps(all: Curve[], curve: Curve): number[] | null {
  const known = all.find((other) => other.key === "dev/f1") ?? all.find((other) => other.key.startsWith("dev/"));
  if (known === undefined || known.steps.length === 0) return null;
  const ends = known.epochs ?? known.steps.map((_, place) => place + 1);
  const steps = [0];
  const epochs = [0];
  known.steps.forEach((step, place) => {
    const epoch = ends[place];
    if (epoch == null || step <= (steps.at(-1) ?? 0)) return;
    steps.push(step);
    epochs.push(epoch);
  });
  const [last, lastEpoch] = [steps.at(-1) ?? 0, epochs.at(-1) ?? 0];
  if (last === 0) return null;
  // After the last evaluation an epoch is as long as before.
  return curve.steps.map((step) => valueAt(steps, epochs, step) ?? (step * lastEpoch) / last);
}
