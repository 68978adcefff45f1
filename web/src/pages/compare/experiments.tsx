import { useMemo, useState } from "preact/hooks";
import { bandsOf, seedCurves } from "../../charts/cells";
import { Chart } from "../../charts/chart";
import { Choice, FIRST_VIEW, type View, ViewControls } from "../../charts/view";
import { between, duration, optionName, score, signed } from "../../format";
import { axesOf, plotPoints, useCurves } from "../../metrics";
import { Outcome } from "../../parts/outcome";
import type { Decision, Experiment, Option } from "../../schemas";
import { ended } from "../../states";
import { jobOf, trainedRuns } from "../experiment/steps";
import { ErrorsOfBoth } from "./errors";
import { useAll } from "./read_all";
import { differing, Settings } from "./settings";

const COLOURS = 6;
const KEYS = ["dev/f1", "train/loss", "dev/loss"];
const SCORE = { span: 0.1, bounds: [0, 1] as [number, number] };
const LOG = { log: true };
type Step = "51" | "52" | "53";

export function ComparedExperiments({ ids }: { ids: string[] }) {
  const found = useAll<Experiment>(ids.map((id) => `/v1/experiments/${id}`), (one) => ended(one.state));
  const decided = found.map((one) => (one?.outcome != null ? `/v1/experiments/${one.id}/decisions` : null));
  const decisions = useAll<Decision[]>(decided, () => true).map((all) => all?.at(-1) ?? null);
  const experiments = found.filter((one) => one !== null);
  const names = ids.map((id, place) => found[place]?.name ?? id);
  return (
    <>
      <section class="card" aria-labelledby="answers">
        <h2 id="answers">Answers and scores</h2>
        <Scores names={names} found={found} decisions={decisions} />
      </section>
      <Curves experiments={experiments} />
      <section class="card" aria-labelledby="settings">
        <h2 id="settings">Settings that differ</h2>
        {experiments.length > 1 ? (
          <Settings names={experiments.map((one) => one.name)} rows={differing(experiments.map((one) => ({ dataset: one.dataset, ...one.spec })))} />
        ) : (
          <p class="quiet">Add a second experiment.</p>
        )}
      </section>
      {experiments.length > 1 && <ErrorsOfBoth experiments={experiments} />}
    </>
  );
}

interface ScoresProps {
  names: string[];
  found: (Experiment | null)[];
  decisions: (Decision | null)[];
}

function Scores({ names, found, decisions }: ScoresProps) {
  const options = [...new Set(decisions.flatMap((one) => one?.evidence?.options.map((option) => option.option) ?? []))];
  const f1Of = (place: number, option: Option) => decisions[place]?.evidence?.options.find((one) => one.option === option);
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Answers and scores">
      <table class="side-by-side">
        <thead>
          <tr>
            <th scope="col">
              <span class="sr">What</span>
            </th>
            {names.map((name, place) => (
              <th key={place} scope="col" style={{ "--colour": `var(--line-${(place % COLOURS) + 1})` }}>
                <bdi class="column-name">{name}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">Answer</th>
            {found.map((one, place) => (
              <td key={place}>{one && <Outcome of={one} />}</td>
            ))}
          </tr>
          <tr>
            <th scope="row">Gate</th>
            {found.map((one, place) => (
              <td key={place}>{one?.gate_verdict ?? ""}</td>
            ))}
          </tr>
          {options.map((option) => (
            <tr key={option}>
              <th scope="row">F1, {optionName(option).toLowerCase()}</th>
              {names.map((_, place) => {
                const here = f1Of(place, option);
                const first = f1Of(0, option);
                return (
                  <td key={place}>
                    {here ? (
                      <>
                        <strong>{score(here.f1)}</strong>{" "}
                        {place > 0 && first && <span class={here.f1 >= first.f1 ? "good" : "bad"}>{signed(here.f1 - first.f1)}</span>}
                        <small>
                          {score(here.f1_interval.low, 3)} to {score(here.f1_interval.high, 3)}
                        </small>
                      </>
                    ) : (
                      <span class="quiet">–</span>
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
          <tr>
            <th scope="row">Took</th>
            {found.map((one, place) => (
              <td key={place}>{one && duration(between(one.created_at, one.finished_at))}</td>
            ))}
          </tr>
          <tr>
            <th scope="row">Seeds</th>
            {found.map((one, place) => (
              <td key={place}>{one?.seeds.join(", ")}</td>
            ))}
          </tr>
        </tbody>
      </table>
    </div>
  );
}

function Curves({ experiments }: { experiments: Experiment[] }) {
  const [view, setView] = useState<View>(FIRST_VIEW);
  const [step, setStep] = useState<Step>("51");
  const [pixels] = useState(plotPoints);
  const curves = useCurves(experiments.flatMap(trainedRuns), KEYS, pixels);
  const axes = useMemo(() => axesOf(Object.values(curves).flat()), [curves]);
  const drawn = useMemo(
    () =>
      KEYS.map((key) => {
        const parts = experiments.map((experiment, place) => {
          const cells = seedCurves(jobOf(experiment, step)?.runs ?? [], curves, view.axis);
          const look = { label: `${place + 1} ${experiment.name.slice(0, 40)}`, colour: `--line-${(place % COLOURS) + 1}` };
          return bandsOf(cells, key, view.each, () => look);
        });
        return { bands: parts.flatMap((one) => one.bands), series: parts.flatMap((one) => one.series) };
      }),
    [curves, view.axis, view.each, step, experiments.map((one) => one.id).join()],
  );
  const shared = {
    xAxis: view.axis,
    smoothing: view.smoothing,
    window: view.window,
    onZoom: (window: [number, number] | null) => setView({ ...view, window }),
    syncKey: "compare",
    digits: 4,
  };
  return (
    <section class="card" aria-labelledby="curves">
      <div class="head">
        <h2 id="curves">Curves</h2>
        <Choice<Step>
          name="Cell"
          options={[
            { value: "51", text: "51 transformer", disabled: false },
            { value: "52", text: "52 gnn", disabled: false },
            { value: "53", text: "53 fusion", disabled: false },
          ]}
          chosen={step}
          onChoose={setStep}
        />
      </div>
      <ViewControls view={view} axes={axes} onView={setView} seeds />
      <div class="charts">
        <Chart title="F1 on dev" {...drawn[0]} {...shared} range={SCORE} />
        <Chart title="Training loss" {...drawn[1]} {...shared} range={view.log ? LOG : undefined} />
        <Chart title="Loss on dev" {...drawn[2]} {...shared} range={view.log ? LOG : undefined} />
      </div>
    </section>
  );
}
