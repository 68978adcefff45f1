import { age, count, moment } from "../format";
import { lazily } from "../parts/lazy";
import { Name } from "../parts/name";
import { ReadingTables } from "../parts/reading";
import { State, Trouble } from "../parts/state";
import { Tabs, useTab } from "../parts/tabs";
import { useLive, usePoll } from "../poll";
import { useTitle } from "../router";
import type { Dataset, Inspection } from "../schemas";
import { ended } from "../states";
import { Summary } from "./dataset/summary";

const Functions = lazily(() => import("./dataset/functions").then((found) => found.Functions));
const TABS = [
  { tab: "summary", label: "Summary" },
  { tab: "functions", label: "Functions" },
  { tab: "reading", label: "How it was read" },
] as const;
const NAMES = TABS.map(({ tab }) => tab);

export function DatasetPage({ id }: { id: string }) {
  const path = `/v1/datasets/${id}`;
  const { value: dataset, trouble } = useLive<Dataset>(path, (found) => ended(found.state));
  const tab = useTab(NAMES, "summary");
  useTitle(dataset?.name ?? null);
  if (dataset === null) return trouble ? <Trouble text={trouble} /> : <p class="quiet pad tall">Loading…</p>;
  return (
    <>
      <Head dataset={dataset} />
      <Tabs path={`/datasets/${id}`} name="Parts of the data set" tabs={[...TABS]} shown={tab} />
      {tab === "summary" && <Summary dataset={dataset} />}
      {tab === "functions" && <Functions dataset={dataset} />}
      {tab === "reading" && <Reading dataset={dataset} />}
    </>
  );
}

function Head({ dataset }: { dataset: Dataset }) {
  return (
    <div class="title">
      <nav aria-label="Way here" class="crumbs">
        <a href="#/datasets">Data sets</a>
      </nav>
      <div class="page-head">
        <h1>
          <Name text={dataset.name} />
          {dataset.version > 1 && <span class="quiet">@{dataset.version}</span>}
        </h1>
        <State state={dataset.state} />
        <div class="right">
          <a class="button" href={`#/evaluations?dataset=${dataset.id}`}>
            Evaluations on it
          </a>
          <a class="button" href={`#/experiments?dataset=${dataset.id}`}>
            Its experiments
          </a>
          <a class="button primary" href={`#/new?dataset=${dataset.id}`}>
            New experiment
          </a>
        </div>
      </div>
      <p class={`status-line ${dataset.state === "failed" ? "bad" : ""}`} role="status">
        {sentence(dataset)}
      </p>
      {dataset.failure_detail?.includes("\n") && (
        <pre class="failure" tabIndex={0}>
          {dataset.failure_detail}
        </pre>
      )}
      <p class="quiet small">
        {[dataset.source].flat().join(", ")} · added {moment(dataset.created_at)} ({age(dataset.created_at)})
        {dataset.run && (
          <>
            {" · "}
            <a href={`#/runs/${dataset.run}`}>how it was prepared</a>
          </>
        )}
        {" · "}
        {dataset.id}
        {dataset.content_hash && ` · ${dataset.content_hash.slice(0, 19)}…`}
      </p>
    </div>
  );
}

/** Whether it is fine. */
function sentence({ state, summary, failure_detail, evaluation }: Dataset): string {
  if (state === "failed") return `It could not be prepared: ${failure_detail?.split("\n")[0] ?? "no reason is known"}`;
  if (summary == null) return "It is being prepared: read, checked, split, and its graphs built.";
  const warnings = summary.warnings.length;
  const fine = warnings === 0 ? "nothing to warn of" : warnings === 1 ? "one warning" : `${warnings} warnings`;
  return `${count(summary.rows)} functions, ${fine}${evaluation ? `; for evaluation only: ${evaluation}` : ""}.`;
}

function Reading({ dataset }: { dataset: Dataset }) {
  const ready = dataset.state === "ready";
  const { value, trouble } = usePoll<Inspection>(ready ? `/v1/datasets/${dataset.id}/inspection` : null, () => true);
  return (
    <section class="card tall" aria-labelledby="reading">
      <h2 id="reading">How it was read</h2>
      {value ? <ReadingTables found={value} /> : <p class="quiet">{trouble ?? (ready ? "Loading…" : "Known once it is ready.")}</p>}
    </section>
  );
}
