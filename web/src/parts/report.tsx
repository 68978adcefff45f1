// The report over the seeds: a page of its own, and with a token, which a link cannot carry, a file.

import { useState } from "preact/hooks";
import { save, token } from "../api";
import type { Experiment } from "../schemas";

export function Report({ experiment }: { experiment: Experiment }) {
  const [trouble, setTrouble] = useState<string | null>(null);
  const weighed = experiment.jobs.some((job) => job.step?.startsWith("54-") && job.state === "succeeded");
  if (!weighed) return null;
  const path = `/v1/experiments/${experiment.id}/report.html`;
  const download = async () => setTrouble(await save(path, `${experiment.id}.html`));
  return (
    <section class="card" aria-labelledby="report">
      <h2 id="report">Report over the seeds</h2>
      <p class="quiet">
        Every option seed by seed: curves, reliability, confusion, whose errors, by weakness and project. One file to
        send around.
      </p>
      <div class="actions">
        {token() === null ? (
          <a class="button" href={path} target="_blank" rel="noopener">
            Open the report
          </a>
        ) : (
          <button type="button" onClick={download}>
            Download the report
          </button>
        )}
        <span role="alert">{trouble}</span>
      </div>
    </section>
  );
}
