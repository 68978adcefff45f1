// What was packed of an experiment, to be shipped.

import { count, moment, score } from "../format";
import { usePoll } from "../poll";
import type { Bundle, DeploymentScores, Experiment, Invariance } from "../schemas";
import { State } from "./state";

export function Bundles({ experiment }: { experiment: Experiment }) {
  const path = `/v1/bundles?experiment=${experiment.id}`;
  const { value } = usePoll<{ items: Bundle[] }>(path, ({ items }) => items.every((one) => one.state !== "packing"));
  const items = value?.items ?? [];
  if (items.length === 0) return null;
  return (
    <section class="card" aria-labelledby="bundles">
      <h2 id="bundles">Bundles</h2>
      <Table items={items} />
      {items[0]?.summary?.deployment && <AtPrevalence found={items[0].summary.deployment} />}
      {items[0]?.summary?.invariance && <Edits found={items[0].summary.invariance} />}
    </section>
  );
}

/** What the newest bundle's calls are worth where it will run. */
function AtPrevalence({ found }: { found: DeploymentScores }) {
  return (
    <p>
      Where {(100 * found.prevalence).toFixed(1)} % of the functions are vulnerable: precision{" "}
      {score(found.precision.mean, 3)} ({score(found.precision.interval.low, 3)} to{" "}
      {score(found.precision.interval.high, 3)}), F1 {score(found.f1.mean, 3)}, VD-S {score(found.vd_s.mean, 3)};{" "}
      {score(found.alerts_per_1000.mean, 1)} alerts per 1,000 functions.
    </p>
  );
}

const EDITS: Record<string, string> = {
  comments: "Comments out, or one in",
  layout: "Other indentation and spacing",
  names: "Variables renamed",
  dead_code: "Dead code added",
  declarations: "Declarations reordered",
};

/** What edits that keep the meaning do to the newest bundle's verdicts. */
function Edits({ found }: { found: Invariance }) {
  const order = Object.keys(EDITS);
  const edits = Object.entries(found.edits).sort(([one], [other]) => order.indexOf(one) - order.indexOf(other));
  return (
    <details>
      <summary>Verdicts after edits that keep the meaning, on {count(found.functions)} functions of {found.split}</summary>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Edit</th>
              <th scope="col" class="number">Functions</th>
              <th scope="col" class="number">Called otherwise</th>
              <th scope="col" class="number">F1 before</th>
              <th scope="col" class="number">F1 after</th>
              <th scope="col" class="number">Right pairs</th>
            </tr>
          </thead>
          <tbody>
            {edits.map(([name, effect]) => (
              <tr key={name}>
                <th scope="row">{EDITS[name] ?? name}</th>
                <td class="number">{count(effect.functions)}</td>
                <td class="number">{count(effect.flips)}</td>
                <td class="number">{score(effect.f1_before)}</td>
                <td class="number">{score(effect.f1_after)}</td>
                <td class="number">
                  {effect.pairs > 0 ? `${effect.pairs_correct_before} → ${effect.pairs_correct_after} of ${effect.pairs}` : "–"}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function Table({ items }: { items: Bundle[] }) {
  return (
    <div class="scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Bundle</th>
            <th>State</th>
            <th>Of</th>
            <th class="number">Threshold</th>
            <th class="number">MB</th>
            <th class="number">Functions/s</th>
            <th>Made</th>
          </tr>
        </thead>
        <tbody>
          {items.map((one) => (
            <tr key={one.id}>
              <td>{one.state === "ready" ? <code>cellgate bundle get {one.id}</code> : one.id}</td>
              <td>
                <a href={`#/runs/${one.run}`}>
                  <State state={one.state} />
                </a>
                {one.failure_detail && <p class="small">{one.failure_detail}</p>}
              </td>
              <td>{one.summary ? `${one.kind}, seeds ${one.summary.seeds.join(", ")}` : one.kind}</td>
              <td class="number">{one.summary ? score(one.summary.threshold) : ""}</td>
              <td class="number">{one.summary ? (one.summary.size_bytes / 1e6).toFixed(1) : ""}</td>
              <td class="number">{one.summary?.functions_per_s ? count(Math.round(one.summary.functions_per_s)) : ""}</td>
              <td>{moment(one.created_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
