// The pipeline: data set → pre-flight → 51 ‖ 52 → evidence, gate, decision → 53 → last decision.

import type { ComponentChildren } from "preact";
import { actionsOfJob } from "../actions";
import { duration, outcomeName, score } from "../format";
import type { Dataset, Decision, Experiment, Job, Run } from "../schemas";
import { ended } from "../states";
import { Actions } from "./actions";
import { Bar, Mark, State } from "./state";

export interface PipelineProps {
  experiment: Experiment;
  dataset: Dataset | null;
  decisions: Decision[];
}

export function Pipeline({ experiment, dataset, decisions }: PipelineProps) {
  const ofStep = (step: string) => ({ experiment, job: experiment.jobs.find((found) => found.step === step) });
  const over = ended(experiment.state);
  const bases = decisions.find((decision) => decision.stage === "bases");
  const final = decisions.find((decision) => decision.stage === "final");
  const missing = over ? "not needed" : "not yet";
  return (
    <ol class="pipeline">
      <Step title="Data set" state={dataset?.state ?? "preparing"}>
        {dataset && <span class="quiet">{dataset.name}</span>}
      </Step>
      <JobStep title="Pre-flight" {...ofStep("preflight")} missing={missing} />
      <li class="both">
        <JobCard title="51 transformer" {...ofStep("51")} missing={missing} />
        <JobCard title="52 gnn" {...ofStep("52")} missing={missing} />
      </li>
      <JobStep title="54 evidence" {...ofStep("54-bases")} missing={missing} />
      <Step title="Gate" state={experiment.gate_verdict} />
      <DecisionStep title="Decision" decision={bases} missing={missing} />
      <JobStep title="53 fusion" {...ofStep("53")} missing={missing} />
      <JobStep title="54 with fusion" {...ofStep("54-final")} missing={missing} />
      <DecisionStep title="Last decision" decision={final} missing={missing} />
    </ol>
  );
}

function Step({ title, state, children }: { title: string; state: string; children?: ComponentChildren }) {
  return (
    <li>
      <div class="step">
        <h3>{title}</h3>
        <State state={state} />
        {children}
      </div>
    </li>
  );
}

function DecisionStep(props: { title: string; decision: Decision | undefined; missing: string }) {
  const { title, decision, missing } = props;
  if (!decision) return <Step title={title} state={missing} />;
  return (
    <Step title={title} state={decision.confidence}>
      <strong>{outcomeName(decision.outcome, decision.option)}</strong>
    </Step>
  );
}

interface JobProps {
  title: string;
  experiment: Experiment;
  job: Job | undefined;
  missing: string;
}

function JobStep(props: JobProps) {
  return (
    <li>
      <JobCard {...props} />
    </li>
  );
}

function JobCard({ title, experiment, job, missing }: JobProps) {
  return (
    <div class={job ? "step" : "step absent"}>
      <h3>{title}</h3>
      <State state={job?.state ?? missing} />
      {job && (
        <ul class="seeds">
          {job.runs.map((run) => (
            <SeedChip key={run.id} run={run} one={job.runs.length === 1 && job.cell !== 51 && job.cell !== 52} />
          ))}
        </ul>
      )}
      {job && (
        <Actions
          path={`/v1/jobs/${job.id}`}
          shownBy={`/v1/experiments/${experiment.id}`}
          subject={title}
          state={job.state}
          actions={actionsOfJob(job, experiment)}
        />
      )}
    </div>
  );
}

function SeedChip({ run, one }: { run: Run; one: boolean }) {
  const { progress } = run;
  const name = one ? "run" : `seed ${run.seed}`;
  const busy = !ended(run.state) && run.state !== "queued" && run.state !== "paused";
  return (
    <li>
      <a class="chip" href={`#/runs/${run.id}`}>
        <span class="chip-name">
          <Mark state={run.state} />
          {name}
          <span class="sr">, {run.state}</span>
        </span>
        <span class="chip-value">
          {run.f1 === null ? whatItDoes(run) : `F1 ${score(run.f1)}`}
          {run.reused_from && <span class="quiet"> reused</span>}
        </span>
      </a>
      {busy && (
        <Bar
          done={progress.steps_done}
          total={progress.steps_total}
          label={`Progress of ${name}, ${progress.phase ?? run.state}`}
        />
      )}
    </li>
  );
}

function whatItDoes(run: Run): string {
  const { phase, epoch, epochs, eta_s } = run.progress;
  if (run.state === "failed") return run.failure_reason?.replaceAll("_", " ") ?? "failed";
  if (run.state === "succeeded") return "done";
  if (run.state !== "starting" && run.state !== "running") return run.state;
  if (epochs !== null && epoch !== null) {
    const eta = eta_s === null ? "" : `, ${duration(eta_s)} left`;
    return `epoch ${epoch}/${epochs}${eta}`;
  }
  return phase?.replaceAll("_", " ") ?? run.state;
}
