// The report over the seeds: a page of its own.

import type { Experiment } from "../schemas";

export function Report({ experiment }: { experiment: Experiment }) {
  const weighed = experiment.jobs.some((job) => job.step?.startsWith("54-") && job.state === "succeeded");
  if (!weighed) return null;
  return (
    <section class="card" aria-labelledby="report">
      <h2 id="report">Report over the seeds</h2>
      <p class="quiet">
        Every option seed by seed: curves, reliability, confusion, whose errors, by weakness and project. One file to
        send around.
      </p>
      <div class="actions">
        <a class="button" href={`/v1/experiments/${experiment.id}/report.html`} target="_blank" rel="noopener">
          Open the report
        </a>
      </div>
    </section>
  );
}
