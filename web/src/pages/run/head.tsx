// What stands first: what the run is, whether it is fine, and if not what to do.

import type { ComponentChildren } from "preact";
import { actionsOfRun } from "../../actions";
import { between, cellName, duration, scientific, score } from "../../format";
import { Actions } from "../../parts/actions";
import { withCode } from "../../parts/code_text";
import { Refusal, useSend } from "../../parts/sending";
import { Bar, State } from "../../parts/state";
import { may, useMe } from "../../me";
import { goToRun } from "../../router";
import type { Job, Run } from "../../schemas";
import { ended } from "../../states";

// Failures after which a smaller rate may help, and a repetition as it was does not.
const TOO_FAST = new Set(["collapse", "divergence"]);

export function Head({ run, job, name }: { run: Run; job: Job | null; name: string | null }) {
  const { progress } = run;
  const over = ended(run.state);
  return (
    <div class="title run-head">
      <nav aria-label="Way here" class="crumbs">
        <a href="#/experiments">Experiments</a>
        {run.experiment && <a href={`#/experiments/${run.experiment}?tab=seeds`}>{name ?? "Experiment"}</a>}
      </nav>
      <div class="page-head">
        <h1>
          {cellName(run.cell)} · seed {run.seed} <State state={run.state} />
        </h1>
        <div class="right">
          <Actions<Run>
            path={`/v1/runs/${run.id}`}
            subject="run"
            state={run.state}
            of={run}
            actions={actionsOfRun(run)}
            onDone={(action, answer) => action.verb === "retry" && goToRun(answer.id)}
          />
          {run.state === "failed" && run.superseded_by === null && <HalfRate run={run} job={job} />}
        </div>
      </div>
      <p class={`status-line ${run.state === "failed" && !run.superseded_by ? "bad" : ""}`} role="status">
        {sentence(run)}
      </p>
      <div class="bar-place">
        {!over && <Bar done={progress.steps_done} total={progress.steps_total} label="Progress of this run" />}
      </div>
      <dl class="facts">
        <Fact name="F1 on gate">{score(run.f1)}</Fact>
        <Fact name="Took">{duration(run.running_s ?? between(run.started_at, run.finished_at))}</Fact>
        <Fact name="Phase">{over ? "–" : (progress.phase?.replaceAll("_", " ") ?? run.state)}</Fact>
        <Fact name="Epoch">{progress.epochs === null ? "–" : `${progress.epoch}/${progress.epochs}`}</Fact>
        <Fact name="Left">{over ? "–" : duration(progress.eta_s)}</Fact>
        <Fact name="Attempt">{run.attempt || "none yet"}</Fact>
        <Fact name="Worker">{run.worker ?? "–"}</Fact>
        <Fact name="Queue">{run.queue}</Fact>
        <Fact name="Exit code">{run.exit_code ?? "–"}</Fact>
      </dl>
      {run.failure_detail && run.failure_detail.includes("\n") && (
        <details>
          <summary>All that is known of the failure</summary>
          <pre class="failure" tabIndex={0}>
            {run.failure_detail}
          </pre>
        </details>
      )}
      <p class="quiet small">{run.id}</p>
    </div>
  );
}

/** Whether it is fine, in one sentence. */
function sentence(run: Run): ComponentChildren {
  if (run.superseded_by) {
    return (
      <>
        It was tried again: <a href={`#/runs/${run.superseded_by}`}>another run</a> counts in its place.
      </>
    );
  }
  if (run.reused_from) {
    return (
      <>
        It was not trained: <a href={`#/runs/${run.reused_from}`}>an equal run</a> had finished, and its result is reused.
      </>
    );
  }
  if (run.state === "failed") {
    const [first = ""] = (run.failure_detail ?? "").split("\n");
    return `Failed: ${run.failure_reason?.replaceAll("_", " ") ?? "no reason is known"}${first ? `, ${first}` : ""}`;
  }
  if (run.waiting) {
    // The texts of these two reasons explain themselves why the run does not start.
    const { reason, detail } = run.waiting;
    const alone = reason === "paused" || reason === "no_worker";
    const text = alone ? detail.charAt(0).toUpperCase() + detail.slice(1) : `Waiting: ${detail}`;
    return withCode(`${text}.`);
  }
  if (run.state === "succeeded") return run.f1 === null ? "It has succeeded." : `It has succeeded, with F1 ${score(run.f1)} on the gate split.`;
  const { epoch, epochs, eta_s, phase } = run.progress;
  if (epochs !== null) return `Epoch ${epoch} of ${epochs}${eta_s === null ? "" : `, about ${duration(eta_s)} left`}.`;
  return `It is ${phase?.replaceAll("_", " ") ?? run.state}.`;
}

/** Train all seeds of the job again at half its rate: what collapsed at a rate collapses at it again. */
function HalfRate({ run, job }: { run: Run; job: Job | null }) {
  const { send, busy, trouble } = useSend<Job>(`/v1/runs/${run.id}`);
  const me = useMe();
  const rate = rateOf(run, job);
  if (job === null || rate === null || !may(me, "change", run) || !TOO_FAST.has(run.failure_reason ?? "")) return null;
  const retry = async () => {
    const made = await send("POST", `/v1/jobs/${job.id}/retry`, { learning_rate: rate / 2 });
    const next = made?.runs.find((one) => one.seed === run.seed);
    if (next) goToRun(next.id);
  };
  return (
    <>
      <button
        type="button"
        disabled={busy}
        title={`A new job trains all seeds of ${cellName(run.cell)} at ${scientific(rate / 2)} instead of ${scientific(rate)}`}
        onClick={() => void retry()}
      >
        Retry all seeds with half the rate
      </button>
      <Refusal of={trouble} />
    </>
  );
}

function rateOf(run: Run, job: Job | null): number | null {
  const found = run.result?.learning_rate?.learning_rate;
  if (found != null) return found;
  const training = (job?.spec as { training?: { learning_rate?: { value?: number | null; fallback?: number } } } | undefined)?.training;
  return training?.learning_rate?.value ?? training?.learning_rate?.fallback ?? null;
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
