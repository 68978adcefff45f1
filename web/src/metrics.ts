// Curves of several runs at once: each grows while its run goes on.

import { useEffect, useState } from "preact/hooks";
import { read } from "./api";
import { ascending, type Series } from "./charts/series";
import { allExtended, heldUntilS, knowsEpochs } from "./curve_parts";
import { hasMain, onNews } from "./poller";
import type { Curve, Run, RunMetrics } from "./schemas";
import { ended } from "./states";

/** Seconds between two reads on a page that has no main resource to tell of news; elsewhere the longest pause. */
const EVERY_S = 2;
const RARELY_S = 10;
/** What is asked for again, since times are rounded and a transaction takes a moment. */
const OVERLAP_S = 1;
// The server thins a curve to measured points: first, last, lowest and highest of each interval.
const FEWEST_POINTS = 4;
const MOST_POINTS = 100_000;
/** A curve that has grown to so many times what a plot can show is read anew, thinned. */
const OVERGROWN = 2;
/** A plot is never wider than this in CSS pixels, whatever the window. */
const WIDEST_PLOT = 1280;

export type CurvesOfRuns = Record<string, Curve[]>;

/**
 * The curves of runs, by run id. What is new is asked for when the page's main resource has changed.
 *
 * @param keys Which; null: all of them.
 * @param points Of each curve at most.
 */
export function useCurves(runs: Run[], keys: string[] | null, points: number): CurvesOfRuns {
  const [curves, setCurves] = useState<CurvesOfRuns>({});
  const started = runs.filter((run) => run.attempt > 0);
  // Another attempt goes on from a checkpoint, and measures again what came after it.
  const wanted = started.map((run) => `${run.id}:${run.attempt}:${ended(run.state)}`).join();
  const query = keys === null ? "" : `&keys=${keys.map(encodeURIComponent).join()}`;
  useEffect(() => {
    const abort = new AbortController();
    const held = new Map<string, Curve[]>();
    let timer: number | undefined;
    let pending = Promise.resolve();
    let queued = false;

    async function readOne(run: Run): Promise<void> {
      const before = held.get(run.id);
      if (before !== undefined && ended(run.state)) return;
      const grows = before !== undefined && before.every((curve) => curve.values.length <= OVERGROWN * points);
      const since = grows ? `&since_s=${Math.max(0, heldUntilS(before) - OVERLAP_S).toFixed(2)}` : "";
      const path = `/v1/runs/${run.id}/metrics?max_points=${points}${query}${since}`;
      const answer = await read<RunMetrics>(path, { signal: abort.signal });
      if (answer.kind !== "fresh") return;
      const { curves } = answer.value;
      if (grows && knowsEpochs(before, curves)) {
        held.delete(run.id);
        return readOne(run);
      }
      const now = grows ? allExtended(before, curves) : curves;
      held.set(run.id, now);
      if (now !== before) setCurves((was) => ({ ...was, [run.id]: now }));
    }

    async function poll(): Promise<void> {
      queued = false;
      for (const run of started) {
        if (abort.signal.aborted) return;
        await readOne(run);
      }
      if (started.some((run) => !ended(run.state) || !held.has(run.id))) {
        timer = window.setTimeout(loop, 1000 * (hasMain() ? RARELY_S : EVERY_S));
      }
    }

    function loop(): void {
      window.clearTimeout(timer);
      if (document.hidden || queued) return;
      queued = true;
      pending = pending.then(poll).catch(() => undefined);
    }

    loop();
    const stop = onNews(loop);
    document.addEventListener("visibilitychange", loop);
    return () => {
      stop();
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
