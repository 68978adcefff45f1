// What is known of a data set: sizes and balance of its splits, lengths, near-duplicates, graphs, and what gives labels away.

import { count, score } from "../../format";
import type { Dataset, DatasetChanges, DatasetSummary, SplitComposition } from "../../schemas";

const SPLITS = ["train", "dev", "fuse", "gate", "test"];
const QUALITIES: Record<string, string> = {
  parsed: "parsed whole",
  partial: "partly parsed",
  token_chain: "tokens only",
  ready: "brought along",
};
const PROBES: Record<string, string> = {
  all_positive: "Calling all vulnerable",
  bag_of_tokens: "Bag of tokens",
  length: "Length alone",
  identifiers: "Identifiers alone",
};

export function Summary({ dataset }: { dataset: Dataset }) {
  const { summary } = dataset;
  if (!summary) {
    return (
      <section class="card tall" aria-labelledby="splits">
        <h2 id="splits">Splits</h2>
        <p class="quiet">{dataset.state === "failed" ? "It was not prepared." : "They will stand here once it is prepared."}</p>
      </section>
    );
  }
  return (
    <>
      <section class="card" aria-labelledby="splits">
        <h2 id="splits">Splits</h2>
        <Splits summary={ordered(summary)} />
        {summary.changes && <Changes changes={summary.changes} />}
      </section>
      <div class="two">
        <section class="card" aria-labelledby="graphs">
          <h2 id="graphs">Graphs</h2>
          <Graphs summary={summary} />
        </section>
        <section class="card" aria-labelledby="probes">
          <h2 id="probes">What gives labels away</h2>
          <Probes summary={summary} />
        </section>
      </div>
      {summary.warnings.length > 0 && (
        <section class="card" aria-labelledby="warnings">
          <h2 id="warnings">Warnings</h2>
          <ul class="warnings">
            {summary.warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

/** JSON objects come in the order of their names. */
function ordered(found: DatasetSummary): DatasetSummary {
  const splits = Object.entries(found.splits).sort(([one], [other]) => SPLITS.indexOf(one) - SPLITS.indexOf(other));
  return { ...found, splits: Object.fromEntries(splits) };
}

function Splits({ summary }: { summary: DatasetSummary }) {
  const sizes = Object.entries(summary.splits);
  const near = summary.near_duplicates ?? {};
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Splits">
      <table>
        <thead>
          <tr>
            <th scope="col">Split</th>
            {sizes.map(([split]) => (
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
            {sizes.map(([split, size]) => (
              <td key={split} class="number">
                {count(size.rows)}
              </td>
            ))}
            <td class="number">{count(summary.rows)}</td>
          </tr>
          <tr>
            <th scope="row">Vulnerable</th>
            {sizes.map(([split, size]) => (
              <td key={split} class="number">
                {count(size.positives)}
              </td>
            ))}
            <td class="number">{count(sizes.reduce((sum, [, size]) => sum + size.positives, 0))}</td>
          </tr>
          <tr>
            <th scope="row">Balance</th>
            {sizes.map(([split, size]) => (
              <td key={split}>
                <span class="balance" aria-hidden="true">
                  <span style={{ width: `${(100 * size.positives) / Math.max(1, size.rows)}%` }} />
                </span>
              </td>
            ))}
            <td />
          </tr>
          {Object.keys(summary.composition ?? {}).length > 0 && <Composition summary={summary} />}
          {Object.keys(near).length > 0 && (
            <tr>
              <th scope="row">Near-duplicate in train</th>
              {sizes.map(([split]) => (
                <td key={split} class="number">
                  {near[split] ? `${count(near[split].rows)} (${(100 * near[split].share).toFixed(1)} %)` : "–"}
                </td>
              ))}
              <td />
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

function Graphs({ summary }: { summary: DatasetSummary }) {
  const graphs = Object.entries(summary.graph_quality);
  const all = Math.max(1, graphs.reduce((sum, [, number]) => sum + number, 0));
  return (
    <ul class="bar-list">
      {graphs.map(([name, number]) => (
        <li key={name}>
          <span>{QUALITIES[name] ?? name}</span>
          <span class="bar" aria-hidden="true">
            <span style={{ width: `${(100 * number) / all}%` }} />
          </span>
          <span class="number">
            {count(number)} <span class="quiet">{((100 * number) / all).toFixed(1)} %</span>
          </span>
        </li>
      ))}
    </ul>
  );
}

function Probes({ summary }: { summary: DatasetSummary }) {
  const probes = summary.probes ?? [];
  if (probes.length === 0) {
    return (
      <p>
        {summary.bag_of_tokens_f1 === null
          ? "It was not measured."
          : `A bag of tokens reaches F1 ${score(summary.bag_of_tokens_f1)} on the gate split.`}
      </p>
    );
  }
  return (
    <>
      <ul class="bar-list">
        {probes.map((probe) => (
          <li key={probe.name}>
            <span>{PROBES[probe.name] ?? probe.name}</span>
            <span class="bar" aria-hidden="true">
              <span style={{ width: `${100 * probe.f1}%` }} />
            </span>
            <span class="number">
              F1 {score(probe.f1)} <span class="quiet">AUROC {score(probe.auroc, 2)}</span>
            </span>
          </li>
        ))}
      </ul>
      <p class="quiet small">Classifiers without understanding, on the gate split. A model has to beat them to have learned something.</p>
    </>
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

