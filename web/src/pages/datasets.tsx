import { State, Trouble } from "../parts/state";
import { Command } from "../parts/command";
import { Name } from "../parts/name";
import { age, count, moment, score } from "../format";
import { ROW } from "../keys";
import { usePoll } from "../poll";
import type { Dataset, Page } from "../schemas";

const EVERY_S = 5;

export function DatasetsPage() {
  const { value, trouble } = usePoll<Page<Dataset>>("/v1/datasets?limit=500", () => false, EVERY_S);
  if (value === null) return trouble ? <Trouble text={trouble} /> : <p class="quiet pad tall">Loading…</p>;
  return (
    <>
      <div class="page-head">
        <h1>Data sets</h1>
        <span class="quiet">{count(value.items.length)}</span>
        <a class="button right" href="#/evaluations">
          Evaluations
        </a>
      </div>
      <section class="card" aria-label="Data sets">
        {value.items.length === 0 ? (
          <div class="empty">
            <p>None yet. A data set is prepared from a file of labelled functions:</p>
            <Command text="cellgate dataset add functions.jsonl --name mine --wait" />
          </div>
        ) : (
          <List items={value.items} />
        )}
      </section>
    </>
  );
}

function List({ items }: { items: Dataset[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="List of data sets">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              Functions
            </th>
            <th scope="col" class="number">
              Vulnerable
            </th>
            <th scope="col" class="number">
              Bag of tokens, F1
            </th>
            <th scope="col" class="number">
              Graphs whole
            </th>
            <th scope="col" class="number">
              Warnings
            </th>
            <th scope="col" class="number">
              Age
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((dataset) => (
            <Row key={dataset.id} dataset={dataset} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ dataset }: { dataset: Dataset }) {
  const { summary } = dataset;
  const positives = Object.values(summary?.splits ?? {}).reduce((sum, split) => sum + split.positives, 0);
  const whole = (summary?.graph_quality["parsed"] ?? 0) + (summary?.graph_quality["ready"] ?? 0);
  return (
    <tr>
      <th scope="row">
        <a class="plain" href={`#/datasets/${dataset.id}`} {...ROW}>
          <Name text={dataset.name} />
          {dataset.version > 1 && `@${dataset.version}`}
        </a>
        {dataset.evaluation && <small>for evaluation only: {dataset.evaluation}</small>}
      </th>
      <td>
        <State state={dataset.state} />
        {dataset.failure_detail && <small>{dataset.failure_detail.split("\n")[0]}</small>}
      </td>
      <td class="number">{count(summary?.rows)}</td>
      <td class="number">{summary ? `${((100 * positives) / Math.max(1, summary.rows)).toFixed(1)} %` : "–"}</td>
      <td class="number">{score(summary?.bag_of_tokens_f1)}</td>
      <td class="number">{summary ? `${((100 * whole) / Math.max(1, summary.rows)).toFixed(1)} %` : "–"}</td>
      <td class="number">{summary && summary.warnings.length > 0 ? <span class="warn">{summary.warnings.length}</span> : "–"}</td>
      <td class="number" title={moment(dataset.created_at)}>
        {age(dataset.created_at)}
      </td>
    </tr>
  );
}
