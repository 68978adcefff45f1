import { State, Trouble } from "../parts/state";
import { TokenForm } from "../parts/token";
import { age, count, score } from "../format";
import { ReadingTables } from "../parts/reading";
import { useState } from "preact/hooks";
import { usePoll } from "../poll";
import type { Dataset, DatasetChanges, DatasetSummary, Inspection, Page, SplitComposition } from "../schemas";
import { ended } from "../states";

const LIST_S = 4;
const SPLITS = ["train", "dev", "fuse", "gate", "test"];

export function DatasetsPage() {
  const { value, trouble, status } = usePoll<Page<Dataset>>(
    "/v1/datasets?limit=100",
    (page) => page.items.every((item) => ended(item.state)),
    LIST_S,
  );
  if (status === 401) return <TokenForm />;
  if (value === null) return trouble ? <Trouble text={trouble} /> : <p class="quiet pad">Loading…</p>;
  return (
    <>
      <h1 class="outside">Data sets</h1>
      {value.items.length === 0 && (
        <section class="card empty">
          <p>None yet. A data set is prepared from a file of labelled functions:</p>
          <pre>cellgate dataset add functions.jsonl --name mine --wait</pre>
        </section>
      )}
      {value.items.map((dataset) => (
        <DatasetCard key={dataset.id} dataset={dataset} />
      ))}
    </>
  );
}

function DatasetCard({ dataset }: { dataset: Dataset }) {
  return (
    <section class="card" aria-labelledby={dataset.id}>
      <div class="head">
        <h2 id={dataset.id}>
          {dataset.name}
          {dataset.version > 1 && `@${dataset.version}`}
        </h2>
        <State state={dataset.state} />
        {dataset.evaluation && <span class="quiet">for evaluation only: {dataset.evaluation}</span>}
        <span class="quiet">{age(dataset.created_at)}</span>
        {dataset.run && <a href={`#/runs/${dataset.run}`}>how it was prepared</a>}
      </div>
      {dataset.failure_detail && <pre class="failure">{dataset.failure_detail}</pre>}
      {dataset.summary && <Summary summary={dataset.summary} />}
      {dataset.summary?.changes && <Changes changes={dataset.summary.changes} />}
      {dataset.state === "ready" && <Reading dataset={dataset} />}
      <p class="quiet small">
        {dataset.id} · {[dataset.source].flat().join(", ")}
        {dataset.content_hash && <> · {dataset.content_hash.slice(0, 19)}…</>}
      </p>
    </section>
  );
}

function Changes({ changes }: { changes: DatasetChanges }) {
  const settings = (changes.settings ?? []).map(
    (change) => `${change.name}: ${JSON.stringify(change.before)} → ${JSON.stringify(change.after)}`,
  );
  return (
    <p>
      Against version {changes.version}: {count(changes.added)} added, {count(changes.removed)} removed,{" "}
      {count(changes.relabelled)} relabelled, {count(changes.moved)} moved to another split.
      {settings.length > 0 && ` Settings: ${settings.join("; ")}.`}
    </p>
  );
}

function Reading({ dataset }: { dataset: Dataset }) {
  const [open, setOpen] = useState(false);
  const { value, trouble } = usePoll<Inspection>(open ? `/v1/datasets/${dataset.id}/inspection` : null, () => true);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>How it was read</summary>
      {value ? <ReadingTables found={value} /> : <p class="quiet">{trouble ?? "Loading…"}</p>}
    </details>
  );
}

/** Rows of the splits' table: how each split differs from train, and what it shares with it. */
function Composition({ summary }: { summary: DatasetSummary }) {
  const shows: [string, (found: SplitComposition, split: string) => string | null][] = [
    ["Vulnerable, %", (found) => (100 * found.prevalence).toFixed(1)],
    ["Median characters", (found) => count(found.lengths.median_chars)],
    ["Commit in train", (found, split) => shared(found.commits, split)],
    ["Project in train", (found, split) => shared(found.projects, split)],
    ["CWE in train", (found, split) => shared(found.weaknesses, split)],
    ["Dates", (found) => (found.dates ? `${found.dates.earliest} to ${found.dates.latest}` : null)],
  ];
  const splits = Object.keys(summary.splits);
  const rows = shows
    .map(([title, show]): [string, (string | null)[]] => [
      title,
      splits.map((split) => {
        const found = summary.composition?.[split];
        return found ? show(found, split) : null;
      }),
    ])
    .filter(([, cells]) => cells.some((cell) => cell !== null));
  return (
    <>
      {rows.map(([title, cells]) => (
        <tr key={title}>
          <th scope="row">{title}</th>
          {cells.map((cell, place) => (
            <td key={splits[place]} class="number">
              {cell ?? "–"}
            </td>
          ))}
          <td />
        </tr>
      ))}
    </>
  );
}

/** Train shares all of it with itself, which says nothing. */
function shared({ known, in_train }: SplitComposition["commits"], split: string): string | null {
  return known > 0 && split !== "train" ? `${count(in_train)} of ${count(known)}` : null;
}

function Summary({ summary: found }: { summary: DatasetSummary }) {
  // JSON objects come in the order of their names.
  const ordered = Object.entries(found.splits).sort(([one], [other]) => SPLITS.indexOf(one) - SPLITS.indexOf(other));
  const summary = { ...found, splits: Object.fromEntries(ordered) };
  const graphs = Object.entries(summary.graph_quality);
  return (
    <>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Split</th>
              {Object.keys(summary.splits).map((split) => (
                <th key={split} scope="col" class="number">
                  {split}
                </th>
              ))}
              <th scope="col" class="number">
                all
              </th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">Functions</th>
              {Object.entries(summary.splits).map(([split, size]) => (
                <td key={split} class="number">
                  {count(size.rows)}
                </td>
              ))}
              <td class="number">{count(summary.rows)}</td>
            </tr>
            <tr>
              <th scope="row">Vulnerable</th>
              {Object.entries(summary.splits).map(([split, size]) => (
                <td key={split} class="number">
                  {count(size.positives)}
                </td>
              ))}
              <td class="number">{count(Object.values(summary.splits).reduce((sum, size) => sum + size.positives, 0))}</td>
            </tr>
            {Object.keys(summary.composition ?? {}).length > 0 && <Composition summary={summary} />}
          </tbody>
        </table>
      </div>
      <p>
        Graphs: {graphs.map(([name, number]) => `${count(number)} ${name}`).join(", ")}.
        {summary.bag_of_tokens_f1 !== null &&
          ` A bag of tokens reaches F1 ${score(summary.bag_of_tokens_f1)} on the gate split.`}
      </p>
      {summary.warnings.length > 0 && (
        <ul class="warnings">
          {summary.warnings.map((warning) => (
            <li key={warning}>{warning}</li>
          ))}
        </ul>
      )}
    </>
  );
}
