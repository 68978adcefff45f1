// Curves of several runs at once: each is read again only while its run goes on.

import { useEffect, useState } from "preact/hooks";
import { read } from "./api";
import { ascending, type Series } from "./charts/series";
import type { Curve, Run, RunMetrics } from "./schemas";
import { ended } from "./states";

const EVERY_S = 2;
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
    let pending = Promise.resolve();

    async function poll(): Promise<void> {
      for (const run of started) {
        if (abort.signal.aborted) return;
        if (ended(run.state) && etags.has(run.id)) continue;
        const path = `/v1/runs/${run.id}/metrics?max_points=${points}${query}`;
        const answer = await read<RunMetrics>(path, { etag: etags.get(run.id) ?? null, signal: abort.signal });
        if (answer.kind !== "fresh") continue;
        etags.set(run.id, answer.etag);
        const { curves } = answer.value;
        setCurves((was) => ({ ...was, [run.id]: curves }));
      }
      if (started.some((run) => !ended(run.state) || !etags.has(run.id))) {
        timer = window.setTimeout(loop, 1000 * EVERY_S);
      }
    }

    function loop(): void {
      window.clearTimeout(timer);
      if (document.hidden) return;
      pending = pending.then(poll).catch(() => undefined);
    }

    loop();
    document.addEventListener("visibilitychange", loop);
    return () => {
      document.removeEventListener("visibilitychange", loop);
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
  return (["step", "epoch", "time"] as const).filter((axis) => curves.some((curve) => xOf(curve, axis) !== null));
}

/** Return a run's curve as a chart draws it; null where it is not known at which x it was measured. */
export function seriesOf(
  curve: Curve,
  axis: CurveAxis,
  look: Pick<Series, "label" | "colour" | "dash">,
  scale = 1,
): Series | null {
  const x = xOf(curve, axis);
  const values = scale === 1 ? curve.values : curve.values.map((value) => value * scale);
  return x === null ? null : { ...look, x, values, points: curve.points };
}

function xOf({ steps, times_s, epochs }: Curve, axis: CurveAxis): number[] | null {
  if (axis === "step") return steps;
  const found = axis === "time" ? times_s : epochs;
  return found?.length === steps.length && steps.length > 0 ? ascending(found) : null;
}
