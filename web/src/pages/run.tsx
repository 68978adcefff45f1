import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { actionsOfRun } from "../actions";
import { Actions } from "../parts/actions";
import { Chart, type Line } from "../parts/chart";
import { Bar, State, Trouble } from "../parts/state";
import { TokenForm } from "../parts/token";
import { between, cellName, clock, count, duration, scientific, score } from "../format";
import { screenPoints } from "../metrics";
import { useLive, usePoll } from "../poll";
import { goToRun, useTitle } from "../router";
import type { Curve, Result, Run, RunEvent, RunMetrics, Waiting } from "../schemas";
import { ended } from "../states";

const LAST_EVENTS = 200;
const TAIL_CHARS = 40_000;

export function RunPage({ id }: { id: string }) {
  const path = `/v1/runs/${id}`;
  const { value: run, trouble, status } = useLive<Run>(path, (found) => ended(found.state));
  const over = run !== null && ended(run.state);
  // Once for the page's life: another width would be another path, and the curves would be gone until it is read.
  const [points] = useState(screenPoints);
  const metrics = usePoll<RunMetrics>(run ? `${path}/metrics?max_points=${points}` : null, () => over);
  const events = usePoll<RunEvent[]>(run ? `${path}/events?limit=500` : null, () => over);
  const logs = usePoll<string>(run ? `${path}/logs` : null, () => over);
  useTitle(run ? `${cellName(run.cell)}, seed ${run.seed}` : null);
  if (status === 401) return <TokenForm />;
  if (run === null) return trouble ? <Trouble text={trouble} /> : <p class="quiet pad">Loading…</p>;
  return (
    <>
      <Head run={run} />
      {run.failure_detail && (
        <section class="card failures">
          <h2>Failed: {run.failure_reason?.replaceAll("_", " ")}</h2>
          <pre class="failure">{run.failure_detail}</pre>
        </section>
      )}
      {run.result && <ResultCard result={run.result} />}
      {metrics.value && <Charts curves={metrics.value.curves} />}
      {events.value && <Events events={events.value} />}
      <Log text={logs.value ?? ""} />
    </>
  );
}

function Head({ run }: { run: Run }) {
  const { progress } = run;
  return (
    <div class="title">
      <nav aria-label="Way here" class="crumbs">
        <a href="#/">Experiments</a>
        {run.experiment && <a href={`#/experiments/${run.experiment}`}>Experiment</a>}
      </nav>
      <h1>
        {cellName(run.cell)} · seed {run.seed} <State state={run.state} />
      </h1>
      <dl class="facts">
        <Fact name="F1 on gate">{score(run.f1)}</Fact>
        <Fact name="Took">{duration(run.running_s ?? between(run.started_at, run.finished_at))}</Fact>
        <Fact name="Attempt">{run.attempt || "none yet"}</Fact>
        <Fact name="Worker">{run.worker ?? "–"}</Fact>
        <Fact name="Queue">{run.queue}</Fact>
        <Fact name="Exit code">{run.exit_code ?? "–"}</Fact>
        {!ended(run.state) && <Fact name="Phase">{progress.phase?.replaceAll("_", " ") ?? run.state}</Fact>}
        {!ended(run.state) && progress.epochs !== null && (
          <Fact name="Epoch">
            {progress.epoch}/{progress.epochs}, {duration(progress.eta_s)} left
          </Fact>
        )}
      </dl>
      {!ended(run.state) && (
        <Bar done={progress.steps_done} total={progress.steps_total} label="Progress of this run" />
      )}
      {run.waiting && <Waits waiting={run.waiting} />}
      {run.superseded_by && (
        <p>
          It was tried again: <a href={`#/runs/${run.superseded_by}`}>another run</a> counts in its place.
        </p>
      )}
      {run.reused_from && (
        <p>
          It was not trained: <a href={`#/runs/${run.reused_from}`}>an equal run</a> had finished, and its result is reused.
        </p>
      )}
      <Actions<Run>
        path={`/v1/runs/${run.id}`}
        subject="run"
        state={run.state}
        actions={actionsOfRun(run)}
        onDone={(action, answer) => action.verb === "retry" && goToRun(answer.id)}
      />
      <p class="quiet small">{run.id}</p>
    </div>
  );
}

function Waits({ waiting: { reason, detail } }: { waiting: Waiting }) {
  // The texts of these two reasons explain themselves why the run does not start.
  const alone = reason === "paused" || reason === "no_worker";
  const text = alone ? detail.charAt(0).toUpperCase() + detail.slice(1) : `Waiting: ${detail}`;
  return <p class={reason === "no_worker" ? "waits nobody" : "waits"}>{withCode(text)}.</p>;
}

function withCode(text: string): ComponentChildren[] {
  return text.split("`").map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part));
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function ResultCard({ result }: { result: Result }) {
  const splits = Object.entries(result.metrics ?? {});
  // A result of an earlier release may lack what has a default.
  const { learning_rate: rate, checks = [], warnings = [] } = result;
  return (
    <section class="card" aria-labelledby="result">
      <h2 id="result">Result</h2>
      {splits.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Split</th>
                {["Functions", "Vulnerable", "F1", "Precision", "Recall", "MCC", "AUPRC", "AUROC", "ECE"].map((column) => (
                  <th key={column} scope="col" class="number">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {splits.map(([split, found]) => (
                <tr key={split}>
                  <th scope="row">{split}</th>
                  <td class="number">{count(found.rows)}</td>
                  <td class="number">{count(found.positives)}</td>
                  {[found.f1, found.precision, found.recall, found.mcc, found.auprc, found.auroc, found.ece].map(
                    (value, index) => (
                      <td key={index} class="number">
                        {score(value)}
                      </td>
                    ),
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <dl class="facts">
        {rate && (
          <Fact name="Learning rate">
            {scientific(rate.learning_rate)} <span class="quiet">{rate.source}</span>
          </Fact>
        )}
        {result.best_epoch != null && (
          <Fact name="Best epoch">
            {result.best_epoch} of {result.epochs}
          </Fact>
        )}
        {result.steps != null && <Fact name="Steps">{count(result.steps)}</Fact>}
        {result.parameters != null && <Fact name="Parameters">{count(result.parameters)}</Fact>}
        {result.threshold != null && <Fact name="Threshold">{score(result.threshold, 3)}</Fact>}
        {result.temperature != null && <Fact name="Temperature">{score(result.temperature, 3)}</Fact>}
        <Fact name="Peak memory">{count(Math.round(result.memory.host_bytes / 2 ** 20))} MiB</Fact>
        <Fact name="Device">
          {result.environment.device}, {result.environment.precision}, threads: {result.environment.threads}
        </Fact>
      </dl>
      {rate && <p class="quiet small">Learning rate: {rate.reason}</p>}
      {checks.length > 0 && (
        <ul class="checks">
          {checks.map((check) => (
            <li key={check.name}>
              <State state={check.verdict} /> <strong>{check.name.replaceAll("_", " ")}</strong> {check.detail} {check.fix}
            </li>
          ))}
        </ul>
      )}
      {warnings.length > 0 && (
        <ul class="warnings">
          {warnings.map((warning) => (
            <li key={warning}>{warning}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

const GROUPS: { title: string; wanted: (key: string) => boolean; log?: boolean }[] = [
  { title: "Loss", wanted: (key) => key.endsWith("/loss") },
  { title: "Scores on dev", wanted: (key) => key.startsWith("dev/") && key !== "dev/loss" },
  { title: "Gradient norms before clipping", wanted: (key) => key.startsWith("grad_norm/"), log: true },
  { title: "Learning rate", wanted: (key) => key.startsWith("lr/") },
];
const COLOURS = 6;

function Charts({ curves }: { curves: Curve[] }) {
  if (curves.length === 0) return null;
  const lines = (wanted: (key: string) => boolean, log = false): Line[] =>
    curves
      .filter((curve) => wanted(curve.key) && (!log || curve.values.every((value) => value > 0)))
      .map((curve, index) => ({
        label: curve.key,
        colour: `--line-${(index % COLOURS) + 1}`,
        // After the last colour the dashes move on, so that no two lines look alike.
        dash: index + Math.floor(index / COLOURS),
        steps: curve.steps,
        values: curve.values,
      }));
  return (
    <section class="card" aria-labelledby="curves">
      <h2 id="curves">Curves</h2>
      <div class="charts">
        {GROUPS.map(({ title, wanted, log }) => (
          <Chart key={title} title={title} lines={lines(wanted, log)} log={log} digits={log ? 2 : 4} />
        ))}
      </div>
    </section>
  );
}

function Events({ events }: { events: RunEvent[] }) {
  const newestFirst = events.slice(-LAST_EVENTS).reverse();
  return (
    <section class="card" aria-labelledby="events">
      <h2 id="events">Events</h2>
      {events.length === 0 && <p class="quiet">Nothing has happened to it yet.</p>}
      <ol class="events">
        {newestFirst.map((event) => (
          <li key={event.id}>
            <time dateTime={event.at}>{clock(event.at)}</time>
            <span class={`kind ${event.kind}`}>{event.kind.replaceAll("_", " ")}</span>
            <span class="body">{summaryOf(event)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function summaryOf({ kind, body }: RunEvent): string {
  if (kind === "transition") return `${body["from"] ?? "new"} → ${body["to"]}${body["reason"] ? `: ${body["reason"]}` : ""}`;
  return Object.entries(body)
    .filter(([name, value]) => name !== "n" && name !== "t" && name !== "kind" && value !== null && value !== "")
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(", ");
}

function Log({ text }: { text: string }) {
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
    <section class="card" aria-labelledby="log">
      <h2 id="log">Output</h2>
      {text ? (
        <pre class="log" ref={box} tabIndex={0}>
          {text.slice(-TAIL_CHARS)}
        </pre>
      ) : (
        <p class="quiet">The trainer has printed nothing.</p>
      )}
    </section>
  );
}
