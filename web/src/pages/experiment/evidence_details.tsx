// What cell 54 measured beside F1: pairs, deployment, comparisons, slices.

import { count, optionName, pValue, score, signed } from "../../format";
import type { Comparison, Evidence, Option, OptionEvidence, Slice } from "../../schemas";
import { Abstaining } from "./abstention";
import { Estimated } from "./estimated";

/** Everything about the options that the table of scores has no column for. */
export function EvidenceDetails({ evidence, chosen }: { evidence: Evidence; chosen: Option | null }) {
  return (
    <>
      <PairVerdicts options={evidence.options} chosen={chosen} />
      <Deployment options={evidence.options} chosen={chosen} />
      <Abstaining options={evidence.options} chosen={chosen} />
      {evidence.comparisons.length > 0 && <Comparisons pairs={evidence.comparisons} />}
      {evidence.slices.length > 0 && <Slices slices={evidence.slices} options={evidence.options.map((o) => o.option)} />}
    </>
  );
}

function PairVerdicts({ options, chosen }: { options: OptionEvidence[]; chosen: Option | null }) {
  const found = options.flatMap(({ option, pair_verdicts }) => (pair_verdicts ? [{ option, ...pair_verdicts }] : []));
  const [first] = found;
  if (!first) return null;
  const columns = ["Both right", "95 % interval", "Per seed", "Both called vulnerable", "Both called safe", "Reversed"];
  return (
    <>
      <h3>
        Verdicts on pairs{" "}
        <span class="quiet">{count(first.pairs)} vulnerable functions with their patched versions</span>
      </h3>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Option</th>
              {columns.map((column) => (
                <th key={column} scope="col" class="number">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {found.map(({ option, correct, vulnerable, benign, reversed }) => (
              <tr key={option} class={option === chosen ? "chosen" : undefined}>
                <th scope="row">{optionName(option)}</th>
                <td class="number">
                  <strong>{score(correct.mean, 3)}</strong>
                </td>
                <td class="number">
                  {score(correct.interval.low, 3)} to {score(correct.interval.high, 3)}
                </td>
                <td class="number">{correct.per_seed.map((share) => score(share, 3)).join(" ")}</td>
                <td class="number">{score(vulnerable.mean, 3)}</td>
                <td class="number">{score(benign.mean, 3)}</td>
                <td class="number">{score(reversed.mean, 3)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Comparisons({ pairs }: { pairs: Comparison[] }) {
  return (
    <details>
      <summary>Compared in pairs ({pairs.length})</summary>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Pair</th>
              <th scope="col" class="number">
                Difference in F1
              </th>
              <th scope="col" class="number">
                95 % interval
              </th>
              <th scope="col" class="number">
                p
              </th>
              <th scope="col" class="number">
                p after Holm
              </th>
            </tr>
          </thead>
          <tbody>
            {pairs.map((pair) => (
              <tr key={`${pair.first}-${pair.second}`}>
                <th scope="row">
                  {optionName(pair.first)} − {optionName(pair.second)}
                </th>
                <td class="number">{signed(pair.f1_difference)}</td>
                <td class="number">
                  {signed(pair.f1_interval.low, 3)} to {signed(pair.f1_interval.high, 3)}
                </td>
                <td class="number">{pValue(pair.p)}</td>
                <td class="number">{pValue(pair.adjusted_p)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function Deployment({ options, chosen }: { options: OptionEvidence[]; chosen: Option | null }) {
  const found = options.flatMap(({ option, deployment }) => (deployment ? [{ option, ...deployment }] : []));
  const [first] = found;
  if (!first) return null;
  const columns = ["Precision", "F1", "Alerts per 1,000", "VD-S"];
  if (first.budget) columns.push(`Recall at ${first.budget.wanted_per_1000} alerts per 1,000`);
  return (
    <>
      <h3>Where {(100 * first.prevalence).toFixed(1)} % of the functions are vulnerable</h3>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Option</th>
              {columns.map((name) => (
                <th key={name} scope="col" class="number">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {found.map((scores) => (
              <tr key={scores.option} class={scores.option === chosen ? "chosen" : undefined}>
                <th scope="row">{optionName(scores.option)}</th>
                <Estimated value={scores.precision} digits={3} />
                <Estimated value={scores.f1} digits={3} />
                <Estimated value={scores.alerts_per_1000} digits={1} />
                <Estimated value={scores.vd_s} digits={3} />
                {scores.budget && <Estimated value={scores.budget.recall} digits={3} />}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Slices({ slices, options }: { slices: Slice[]; options: Option[] }) {
  return (
    <details>
      <summary>Accuracy by kind of weakness and project ({slices.length})</summary>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Slice</th>
              <th scope="col" class="number">
                Functions
              </th>
              {options.map((option) => (
                <th key={option} scope="col" class="number">
                  {optionName(option)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {slices.map((slice) => (
              <tr key={`${slice.slice}-${slice.value}`}>
                <th scope="row">{slice.value}</th>
                <td class="number">{count(slice.rows)}</td>
                {options.map((option) => (
                  <td key={option} class="number">
                    {score(slice.accuracy[option], 3)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
