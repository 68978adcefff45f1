// Every curve that the run has measured, in groups; what belongs to no group stands under "Other".

import { useMemo, useState } from "preact/hooks";
import { Chart } from "../../charts/chart";
import { grouped, groupOf } from "../../charts/groups";
import type { Mark } from "../../charts/series";
import { FIRST_VIEW, type View, ViewControls } from "../../charts/view";
import { axesOf, plotPoints, seriesOf, useCurves, zoomedPoints } from "../../metrics";
import type { Curve, Run, RunEvent } from "../../schemas";
import { LrFinder } from "../experiment/lr_finder";

const COLOURS = 6;
const ALWAYS = ["train/loss", "dev/f1", "grad_norm/total", "lr/all"];
const LOG = { log: true };

export interface CurvesProps {
  run: Run;
  events: RunEvent[];
  /** Whether it trains a network: its charts are then there from the start. */
  trains: boolean;
}

export function Curves({ run, events, trains }: CurvesProps) {
  const [view, setView] = useState<View>(FIRST_VIEW);
  const [pixels] = useState(plotPoints);
  const [whole, setWhole] = useState(0);
  const part = view.window === null ? 0 : view.window[1] - view.window[0];
  const runs = useMemo(() => [run], [run.id, run.state, run.attempt > 0]);
  const found = useCurves(runs, null, part > 0 && whole > 0 ? zoomedPoints(pixels, whole, part) : pixels);
  const curves = found[run.id] ?? [];
  const axes = useMemo(() => axesOf(curves), [curves]);
  const marks = useMemo(() => marksOf(events), [events]);
  if (curves.length === 0 && !trains) return null;
  // A run that trains has its charts from the start, so that nothing moves when the first points come.
  const keys = [...new Set([...curves.map((curve) => curve.key), ...(trains ? ALWAYS : [])])];

  function onZoom(window: [number, number] | null): void {
    if (window !== null) setWhole(Math.max(0, ...curves.map((curve) => lastOf(curve, view))));
    setView({ ...view, window });
  }

  return (
    <section class="card" aria-labelledby="curves">
      <h2 id="curves">Curves</h2>
      <ViewControls view={view} axes={axes} onView={setView} />
      <div class="charts">
        {grouped(keys).map(({ group }) => (
          <GroupChart
            key={group.title}
            title={group.title}
            curves={curves}
            view={view}
            marks={view.axis === "step" ? marks : NO_MARKS}
            onZoom={onZoom}
          />
        ))}
      </div>
      {trains && <RangeTest run={run} />}
    </section>
  );
}

const NO_MARKS: Mark[] = [];

interface GroupChartProps {
  title: string;
  curves: Curve[];
  view: View;
  marks: Mark[];
  onZoom: (window: [number, number] | null) => void;
}

function GroupChart({ title, curves, view, marks, onZoom }: GroupChartProps) {
  const own = curves.filter((curve) => groupOf(curve.key).title === title);
  const group = own[0] === undefined ? null : groupOf(own[0].key);
  const seconds = group?.seconds ?? false;
  const axis = seconds ? "step" : view.axis;
  const series = useMemo(
    () =>
      own.flatMap((curve, place) => {
        const look = { label: curve.key, colour: `--line-${(place % COLOURS) + 1}`, dash: place + Math.floor(place / COLOURS) };
        return seriesOf(curve, axis, look, group?.scale) ?? [];
      }),
    [axis, ...own],
  );
  const range = title === "Loss" && view.log ? LOG : group?.range;
  return (
    <Chart
      title={title}
      series={series}
      marks={seconds ? NO_MARKS : marks}
      xAxis={seconds ? "time" : axis}
      range={range}
      digits={group?.digits ?? 4}
      smoothing={view.smoothing}
      window={seconds ? null : view.window}
      onZoom={seconds ? undefined : onZoom}
      syncKey={seconds ? "resources" : "run"}
    />
  );
}

function RangeTest({ run }: { run: Run }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>LR range test</summary>
      {open && (
        <div class="charts">
          <LrFinder runs={[run]} />
        </div>
      )}
    </details>
  );
}

function marksOf(events: RunEvent[]): Mark[] {
  const marks: Mark[] = [];
  let saved = 0;
  for (const event of [...events].reverse()) {
    const step = event.body["step"];
    if (event.kind === "checkpoint" && typeof step === "number") saved = step;
    if (event.kind === "collapse" && typeof step === "number") {
      marks.push({ x: step, name: String(event.body["type"] ?? "collapse").replaceAll("_", " "), tone: "bad" });
    }
    if (event.kind === "started" && (event.attempt ?? 1) > 1) marks.push({ x: saved, name: `attempt ${event.attempt}`, tone: "warn" });
  }
  return marks;
}

function lastOf(curve: Curve, view: View): number {
  return seriesOf(curve, view.axis, { label: "", colour: "", dash: 0 })?.x.at(-1) ?? 0;
}
