// Detectors on data sets that they were not trained on: what they share with their training first, then the scores.

import { count, score } from "../format";
import { ROW } from "../keys";
import { Name } from "../parts/name";
import { State, Trouble } from "../parts/state";
import { usePoll, usePolls } from "../poll";
import { useQuery, useTitle } from "../router";
import type { Bundle, Dataset, EvaluationRun, NewerFunctions, Page, Run } from "../schemas";
import { ended } from "../states";

const EVERY_S = 5;
/** Older evaluations are found by their data set's runs. */
const NEWEST = 50;

export function EvaluationsPage() {
  const [query, change] = useQuery();
  const { value: page, trouble } = usePoll<Page<Run>>(`/v1/runs?cell=evaluate&limit=${NEWEST}`, () => false, EVERY_S);
  const over = new Set((page?.items ?? []).filter((run) => ended(run.state)).map((run) => pathOf(run.id)));
  const found = usePolls<EvaluationRun>((page?.items ?? []).map((run) => pathOf(run.id)), (path) => over.has(path));
  const { value: datasets } = usePoll<Page<Dataset>>("/v1/datasets?limit=500", () => true);
  const { value: bundles } = usePoll<Page<Bundle>>("/v1/bundles?limit=500", () => true);
  useTitle("Evaluations");
  if (page === null) return trouble ? <Trouble text={trouble} /> : <p class="quiet pad tall">Loading…</p>;
  const [dataset, bundle] = [query.get("dataset"), query.get("bundle")];
  const shown = page.items
    .flatMap((run) => found.get(pathOf(run.id)) ?? [])
    .filter((one) => (dataset === null || one.dataset === dataset) && (bundle === null || one.bundle === bundle));
  const filtered = dataset !== null || bundle !== null;
  return (
    <>
      <div class="page-head">
        <h1>Evaluations</h1>
        <p class="quiet">
          Of a bundle, or any detector's scores, on a data set that it was not trained on
          {page.items.length === NEWEST && `; the newest ${NEWEST}`}.
        </p>
        {filtered && (
          <button type="button" onClick={() => change({ dataset: null, bundle: null })}>
            Show all
          </button>
        )}
      </div>
      <section class="card tall" aria-label="List of evaluations">
        {shown.length === 0 && found.size === page.items.length && (
          <p class="quiet">None yet. “Evaluate on…” on an experiment's Answer starts them, once its models are packed.</p>
        )}
        {shown.length > 0 && <List items={shown} datasets={datasets?.items ?? []} bundles={bundles?.items ?? []} />}
      </section>
    </>
  );
}

function List({ items, datasets, bundles }: { items: EvaluationRun[]; datasets: Dataset[]; bundles: Bundle[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Evaluations">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Data set</th>
            <th scope="col">Shared with its training</th>
            <th scope="col">Detector</th>
            {["F1", "F1 on unseen functions", "Precision", "Recall", "Functions"].map((name) => (
              <th key={name} scope="col" class="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.map((one) => {
            const dataset = datasets.find(({ id }) => id === one.dataset);
            const bundle = bundles.find(({ id }) => id === one.bundle);
            return (
              <tr key={one.run}>
                <th scope="row">
                  <a href={`#/runs/${one.run}`} {...ROW}>
                    <Name text={dataset?.name ?? one.dataset} />
                  </a>
                </th>
                <td>
                  {one.evaluation ? <Overlap of={one.evaluation} /> : <State state={one.state} />}
                  {one.evaluation?.since_cutoff && <SinceCutoff of={one.evaluation.since_cutoff} />}
                </td>
                <td>
                  {bundle?.experiment ? (
                    <a href={`#/experiments/${bundle.experiment}`}>{bundle.id}</a>
                  ) : (
                    (one.bundle ?? "a file of scores")
                  )}
                </td>
                <Scores of={one} />
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Overlap({ of: { overlap, metrics } }: { of: NonNullable<EvaluationRun["evaluation"]> }) {
  if (overlap === null) return <span class="quiet">Not known: its training is not</span>;
  const shared = overlap.exact + overlap.near;
  const projects = overlap.projects.length;
  return (
    <>
      <span class={shared > 0 ? "warned" : undefined}>
        {shared === 0 ? "No function" : `${count(shared)} of ${count(metrics.rows)} functions, or near copies`}
      </span>{" "}
      <span class="quiet small">
        {projects > 0 && `· ${count(projects)} ${projects === 1 ? "project" : "projects"} in common`}
        {!overlap.near_complete && " · near copies not all looked for"}
      </span>
    </>
  );
}

/** What a pretrained model may have read, and the score on what it cannot have read. */
function SinceCutoff({ of: { cutoff, older, undated, newer, f1_interval: interval } }: { of: NewerFunctions }) {
  return (
    <p class="quiet small">
      {count(older)} are of {cutoff} or older{undated > 0 && `, ${count(undated)} have no date`}
      {newer && interval
        ? `; F1 ${score(newer.f1, 3)}, ${score(interval.low, 3)} to ${score(interval.high, 3)}, on the ${count(newer.rows)} newer ones`
        : "; none is newer"}
    </p>
  );
}

function Scores({ of }: { of: EvaluationRun }) {
  if (!of.evaluation) {
    return (
      <td colSpan={5} class="quiet">
        {of.failure_detail?.split("\n")[0] ?? ""}
      </td>
    );
  }
  const { metrics, f1_interval: interval, unseen } = of.evaluation;
  return (
    <>
      <td class="number">
        <strong>{score(metrics.f1, 3)}</strong>{" "}
        <small>
          {score(interval.low, 3)} to {score(interval.high, 3)}
        </small>
      </td>
      <td class="number">{unseen ? score(unseen.f1, 3) : "–"}</td>
      <td class="number">{score(metrics.precision, 3)}</td>
      <td class="number">{score(metrics.recall, 3)}</td>
      <td class="number">{count(metrics.rows)}</td>
    </>
  );
}

function pathOf(run: string): string {
  return `/v1/evaluations/${run}`;
}
