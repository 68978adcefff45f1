// Curves of several runs at once: each is read again only while its run goes on.

import { useEffect, useState } from "preact/hooks";
import { read } from "./api";
import type { Curve, Run, RunMetrics } from "./schemas";
import { ended } from "./states";

const EVERY_S = 3;
// The server thins a curve to measured points: first, last, lowest and highest of each interval.
const FEWEST_POINTS = 4;

export type CurvesOfRuns = Record<string, Curve[]>;

/** The curves of runs, by run id. */
export function useCurves(runs: Run[], keys: string[]): CurvesOfRuns {
  const [curves, setCurves] = useState<CurvesOfRuns>({});
  const started = runs.filter((run) => run.attempt > 0);
  const wanted = started.map((run) => `${run.id}:${ended(run.state)}`).join();
  useEffect(() => {
    const abort = new AbortController();
    const etags = new Map<string, string | null>();
    const points = screenPoints();
    const names = keys.map(encodeURIComponent).join();
    let timer: number | undefined;

    async function poll(): Promise<void> {
      for (const run of started) {
        if (abort.signal.aborted) return;
        if (ended(run.state) && etags.has(run.id)) continue;
        const path = `/v1/runs/${run.id}/metrics?max_points=${points}&keys=${names}`;
        const answer = await read<RunMetrics>(path, { etag: etags.get(run.id) ?? null, signal: abort.signal });
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
  }, [wanted, keys.join()]);
  return curves;
}

/** How many points of one curve a screen can show: as many as the window has pixels from left to right. */
export function screenPoints(): number {
  return Math.max(FEWEST_POINTS, Math.round(document.documentElement.clientWidth * devicePixelRatio));
}
