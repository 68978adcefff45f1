// Every seed of every cell: what it does, how it ended, what failed, and what can be done about it.

import { actionsOfJob } from "../../actions";
import { cellName, duration, score } from "../../format";
import { Actions } from "../../parts/actions";
import { Bar, Mark, State } from "../../parts/state";
import type { Experiment, Job, Run } from "../../schemas";
import { ended } from "../../states";
import { capital, jobOf } from "./steps";

const CELLS: { step: string; title: string }[] = [
  { step: "51", title: "51 transformer" },
  { step: "52", title: "52 gnn" },
  { step: "53", title: "53 fusion" },
];
const OTHERS: { step: string; title: string }[] = [
  { step: "preflight", title: "Pre-flight" },
  { step: "54-bases", title: "54 evidence" },
  { step: "54-final", title: "54 with fusion" },
];

export function SeedsTab({ experiment }: { experiment: Experiment }) {
  return (
    <>
      <section class="card" aria-labelledby="seeds">
        <div class="head">
          <h2 id="seeds">Seeds</h2>
        </div>
        <div class="scroll" tabIndex={0} role="group" aria-label="Seeds by cell">
          <table class="seeds-table">
            <thead>
              <tr>
                <th scope="col">Seed</th>
                {CELLS.map(({ step, title }) => (
                  <th key={step} scope="col">
                    <JobHead title={title} job={jobOf(experiment, step)} experiment={experiment} />
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {experiment.seeds.map((seed) => (
                <tr key={seed}>
                  <th scope="row">{seed}</th>
                  {CELLS.map(({ step }) => (
                    <td key={step}>
                      <SeedCell run={jobOf(experiment, step)?.runs.find((run) => run.seed === seed)} />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <ul class="other-steps">
          {OTHERS.map(({ step, title }) => {
            const job = jobOf(experiment, step);
            return (
              <li key={step}>
                <JobHead title={title} job={job} experiment={experiment} />
                <SeedCell run={job?.runs[0]} />
              </li>
            );
          })}
        </ul>
      </section>
      <Failures experiment={experiment} />
    </>
  );
}

function JobHead({ title, job, experiment }: { title: string; job: Job | undefined; experiment: Experiment }) {
  const missing = ended(experiment.state) ? "not needed" : "not yet";
  return (
    <div class="job-head">
      <span class="job-name">{title}</span>
      <State state={job?.state ?? missing} />
      {job && (
        <Actions
          path={`/v1/jobs/${job.id}`}
          shownBy={`/v1/experiments/${experiment.id}`}
          subject={title}
          state={job.state}
          of={experiment}
          actions={actionsOfJob(job, experiment)}
        />
      )}
    </div>
  );
}

function SeedCell({ run }: { run: Run | undefined }) {
  if (run === undefined) return <span class="quiet">–</span>;
  const busy = !ended(run.state) && run.state !== "queued" && run.state !== "paused";
  return (
    <a class="chip" href={`#/runs/${run.id}`}>
      <Mark state={run.state} />
      <span class="chip-value">
        {run.f1 === null ? whatItDoes(run) : `F1 ${score(run.f1)}`}
        {ended(run.state) && run.running_s != null && <span class="quiet"> in {duration(run.running_s)}</span>}
        {run.reused_from && <span class="quiet"> reused</span>}
        {run.attempt > 1 && <span class="quiet"> attempt {run.attempt}</span>}
      </span>
      <span class="sr">
        {cellName(run.cell)} seed {run.seed}, {run.state}
      </span>
      {busy && (
        <Bar
          done={run.progress.steps_done}
          total={run.progress.steps_total}
          label={`Progress of ${cellName(run.cell)} seed ${run.seed}, ${run.progress.phase ?? run.state}`}
        />
      )}
    </a>
  );
}

function whatItDoes(run: Run): string {
  const { phase, epoch, epochs, eta_s } = run.progress;
  if (run.state === "failed") return run.failure_reason?.replaceAll("_", " ") ?? "failed";
  if (run.state === "succeeded") return "done";
  if (run.state !== "starting" && run.state !== "running") return run.state;
  if (epochs !== null && epoch !== null) return `epoch ${epoch}/${epochs}${eta_s === null ? "" : `, ${duration(eta_s)} left`}`;
  return phase?.replaceAll("_", " ") ?? run.state;
}

function Failures({ experiment }: { experiment: Experiment }) {
  const failed = experiment.jobs.flatMap((job) => job.runs).filter((run) => run.state === "failed");
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
          <strong>{capital(run.failure_reason?.replaceAll("_", " ") ?? "failed")}</strong>
          {run.exit_code !== null && <span class="quiet"> exit code {run.exit_code}</span>}
          {run.failure_detail && (
            <details>
              <summary>{run.failure_detail.split("\n")[0]?.slice(0, 160)}</summary>
              <pre class="failure" tabIndex={0}>
                {run.failure_detail}
              </pre>
            </details>
          )}
        </div>
      ))}
    </section>
  );
}
