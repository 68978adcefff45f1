import { actionsOfExperiment } from "../actions";
import { Actions } from "../parts/actions";
import { Bundles } from "../parts/bundles";
import { LearningCurves } from "../parts/curves";
import { DecisionCard } from "../parts/decision";
import { Gate } from "../parts/gate";
import { Pipeline } from "../parts/pipeline";
import { Report } from "../parts/report";
import { State, Trouble } from "../parts/state";
import { TokenForm } from "../parts/token";
import { between, cellName, duration, moment } from "../format";
import { useLive, usePoll } from "../poll";
import { useTitle } from "../router";
import type { Dataset, Decision, Experiment, GateReport, Run, Spent } from "../schemas";
import { ended } from "../states";

export function ExperimentPage({ id }: { id: string }) {
  const path = `/v1/experiments/${id}`;
  const { value: experiment, trouble, status } = useLive<Experiment>(path, (found) => ended(found.state));
  const over = experiment !== null && ended(experiment.state);
  const bases = experiment?.jobs.some((job) => job.step === "51") ?? false;
  const gate = usePoll<GateReport>(
    bases ? `${path}/gate` : null,
    (report) => over || report.verdict !== "pending",
    undefined,
    experiment?.gate_verdict ?? null,
  );
  const spent = usePoll<Spent>(experiment ? `${path}/spent` : null, () => over);
  const decided = experiment?.outcome != null;
  const decisions = usePoll<Decision[]>(decided ? `${path}/decisions` : null, (found) => over || found.length > 1);
  const dataset = usePoll<Dataset>(experiment ? `/v1/datasets/${experiment.dataset}` : null, (found) => ended(found.state));
  useTitle(experiment?.name ?? null);
  if (status === 401) return <TokenForm />;
  if (experiment === null) return trouble ? <Trouble text={trouble} /> : <p class="quiet pad">Loading…</p>;
  const { policy } = experiment.spec;
  // What moves comes first; once the gate has judged, its table explains the decision above it.
  const pending = experiment.gate_verdict === "pending";
  const report = gate.value && <Gate key="gate" report={gate.value} />;
  const curves = <LearningCurves key="curves" jobs={experiment.jobs} />;
  const newestFirst = [...(decisions.value ?? [])].reverse();
  return (
    <>
      <Head experiment={experiment} />
      {spent.value && <Spending spent={spent.value} />}
      <Pipeline experiment={experiment} dataset={dataset.value} decisions={decisions.value ?? []} />
      <Failures experiment={experiment} />
      {newestFirst.map((decision, index) => (
        <DecisionCard key={decision.stage} decision={decision} policy={policy} earlier={index > 0} />
      ))}
      <Report experiment={experiment} />
      {decided && <Bundles experiment={experiment} decision={newestFirst[0]} />}
      {pending ? [curves, report] : [report, curves]}
    </>
  );
}

function Head({ experiment }: { experiment: Experiment }) {
  return (
    <div class="title">
      <nav aria-label="Way here" class="crumbs">
        <a href="#/">Experiments</a>
      </nav>
      <h1>
        {experiment.name} <State state={experiment.state} />
      </h1>
      <p class="quiet small">
        {experiment.id} · submitted {moment(experiment.created_at)} · took{" "}
        {duration(between(experiment.created_at, experiment.finished_at))} · seeds {experiment.seeds.join(", ")}
        {experiment.autopilot ? "" : " · by hand, no autopilot"}
        {experiment.extends && (
          <>
            {" · extends "}
            <a href={`#/experiments/${experiment.extends}`}>an experiment with fewer seeds</a>
          </>
        )}
      </p>
      <Actions
        path={`/v1/experiments/${experiment.id}`}
        subject="experiment"
        state={experiment.state}
        actions={actionsOfExperiment(experiment)}
      />
    </div>
  );
}

function Spending({ spent }: { spent: Spent }) {
  const { value = null, low = null, high = null } = spent.predicted?.device_s ?? {};
  const range = low != null && high != null ? ` (${duration(low)} to ${duration(high)})` : "";
  return (
    <p class="quiet small">
      At work: {duration(spent.device_s)} in cells 51 to 53
      {value === null ? ", time not predicted: nothing like it had finished" : `, predicted ${duration(value)}${range}`}
      {` · ${duration(spent.other_s)} in pre-flight and evidence`}
      {spent.cost !== null && ` · cost ${spent.cost.toFixed(2)}`}
      {spent.budget_s !== null && ` · budget ${duration(spent.budget_s)}`}
    </p>
  );
}

function Failures({ experiment }: { experiment: Experiment }) {
  const failed: Run[] = experiment.jobs.flatMap((job) => job.runs).filter((run) => run.state === "failed");
  if (failed.length === 0 && !experiment.failure_detail) return null;
  return (
    <section class="card failures" aria-labelledby="failures">
      <h2 id="failures">What failed</h2>
      {experiment.failure_detail && <p>{experiment.failure_detail}</p>}
      {failed.map((run) => (
        <div key={run.id} class="failure-of">
          <a href={`#/runs/${run.id}`}>
            {cellName(run.cell)} seed {run.seed}
          </a>{" "}
          <strong>{run.failure_reason?.replaceAll("_", " ")}</strong>
          {run.exit_code !== null && <span class="quiet"> exit code {run.exit_code}</span>}
          {run.failure_detail && <pre class="failure">{run.failure_detail}</pre>}
        </div>
      ))}
    </section>
  );
}
