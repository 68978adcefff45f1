import { useMemo, useState } from "preact/hooks";
import { Chart } from "../../charts/chart";
import { groupOf } from "../../charts/groups";
import { FIRST_VIEW, type View, ViewControls } from "../../charts/view";
import { cellName, score } from "../../format";
import { axesOf, plotPoints, seriesOf, useCurves } from "../../metrics";
import { State } from "../../parts/state";
import { usePoll } from "../../poll";
import type { ComparedRuns, Run } from "../../schemas";
import { Settings } from "./settings";

const COLOURS = 6;
const KEYS = ["dev/f1", "train/loss", "dev/loss", "grad_norm/total"];

export function ComparedRunsView({ ids }: { ids: string[] }) {
  const { value, trouble } = usePoll<ComparedRuns>(ids.length > 1 ? `/v1/compare?runs=${ids.join()}` : null, () => true);
  if (value === null) return <p class="quiet tall">{ids.length > 1 ? (trouble ?? "Loading…") : "Name two runs or more in the address."}</p>;
  const names = value.runs.map((run) => `${cellName(run.cell)} seed ${run.seed}`);
  return (
    <>
      <Curves runs={value.runs} names={names} />
      <section class="card" aria-labelledby="settings">
        <h2 id="settings">Settings that differ</h2>
        <Settings names={names} rows={Object.entries(value.config)} />
      </section>
      <section class="card" aria-labelledby="scores">
        <h2 id="scores">Scores</h2>
        <div class="scroll" tabIndex={0} role="group" aria-label="Scores">
          <table class="side-by-side">
            <thead>
              <tr>
                <th scope="col">Score</th>
                {value.runs.map((run, place) => (
                  <th key={run.id} scope="col" style={{ "--colour": `var(--line-${(place % COLOURS) + 1})` }}>
                    <a href={`#/runs/${run.id}`}>{names[place]}</a> <State state={run.state} />
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {Object.entries(value.metrics).map(([name, scores]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  {scores.map((one, place) => (
                    <td key={place}>{one === null ? "–" : Number.isInteger(one) ? one : score(one)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
    </>
  );
}

function Curves({ runs, names }: { runs: Run[]; names: string[] }) {
  const [view, setView] = useState<View>(FIRST_VIEW);
  const [pixels] = useState(plotPoints);
  const curves = useCurves(runs, KEYS, pixels);
  const axes = useMemo(() => axesOf(Object.values(curves).flat()), [curves]);
  const charts = useMemo(
    () =>
      KEYS.map((key) => ({
        key,
        series: runs.flatMap((run, place) => {
          const curve = curves[run.id]?.find((one) => one.key === key);
          const look = {
            label: `${place + 1} ${names[place]}`,
            colour: `--line-${(place % COLOURS) + 1}`,
            dash: Math.floor(place / COLOURS),
          };
          return curve ? (seriesOf(curve, view.axis, look) ?? []) : [];
        }),
      })),
    [curves, view.axis],
  );
  return (
    <section class="card" aria-labelledby="curves">
      <h2 id="curves">Curves</h2>
      <ViewControls view={view} axes={axes} onView={setView} />
      <div class="charts">
        {charts.map(({ key, series }) => (
          <Chart
            key={key}
            title={key}
            series={series}
            xAxis={view.axis}
            range={view.log && key.endsWith("/loss") ? { log: true } : groupOf(key).range}
            digits={groupOf(key).digits}
            smoothing={view.smoothing}
            window={view.window}
            onZoom={(window) => setView({ ...view, window })}
            syncKey="runs"
          />
        ))}
      </div>
    </section>
  );
}
