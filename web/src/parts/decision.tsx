import { count, optionName, outcomeName, pValue, score, seedsName, signed } from "../format";
import type { Comparison, Decision, Estimate, Evidence, Option, OptionEvidence, Policy, Slice } from "../schemas";
import { Whiskers } from "./whiskers";

const STAGES: Record<Decision["stage"], string> = {
  bases: "Decision over 51 and 52",
  final: "Last decision, with fusion measured",
};

export interface DecisionCardProps {
  decision: Decision;
  policy: Policy;
  /** A later decision stands above it: shown in one line until it is opened. */
  earlier: boolean;
}

export function DecisionCard({ decision, policy, earlier }: DecisionCardProps) {
  const id = `decision-${decision.stage}`;
  if (earlier) {
    return (
      <details class="card decision earlier">
        <summary>
          Before that, {STAGES[decision.stage].toLowerCase()}:
          <strong>{outcomeName(decision.outcome, decision.option)}</strong>
          <span class={`badge ${decision.confidence}`}>{decision.confidence}</span>
        </summary>
        <Body decision={decision} policy={policy} />
      </details>
    );
  }
  return (
    <section class="card decision" aria-labelledby={id}>
      <p class="over">{STAGES[decision.stage]}</p>
      <div class="head">
        <h2 id={id} class="big">
          {outcomeName(decision.outcome, decision.option)}
        </h2>
        <span class={`badge ${decision.confidence}`}>{decision.confidence}</span>
        <span class="quiet">{seedsName(decision.seeds ?? [])}</span>
      </div>
      <Body decision={decision} policy={policy} />
    </section>
  );
}

function Body({ decision, policy }: { decision: Decision; policy: Policy }) {
  return (
    <>
      {decision.overrulings?.map((overruling) => (
        <p key={overruling.reason} class="overruled">
          Overruled by {overruling.by}: <strong>{outcomeName(overruling.outcome, overruling.option)}</strong>.{" "}
          {overruling.reason}
        </p>
      ))}
      <p class="rule">{decision.rule}</p>
      <List items={decision.reasons} />
      {decision.next_steps.length > 0 && <h3>Next</h3>}
      <List items={decision.next_steps} />
      {decision.evidence && <EvidenceView evidence={decision.evidence} policy={policy} chosen={decision.option} />}
      {decision.evidence_hash && <p class="quiet small">Computed from evidence {decision.evidence_hash}</p>}
    </>
  );
}

function List({ items }: { items: string[] }) {
  if (items.length === 0) return null;
  return (
    <ul class="reasons">
      {items.map((item) => (
        <li key={item}>{item}</li>
      ))}
    </ul>
  );
}

function EvidenceView(props: { evidence: Evidence; policy: Policy; chosen: Option | null }) {
  const { evidence, policy, chosen } = props;
  return (
    <>
      <h3>
        Options on the gate split{" "}
        <span class="quiet">
          {count(evidence.rows)} functions, {count(evidence.positives)} vulnerable, {count(evidence.groups)} groups;
          all-positive F1 {score(evidence.all_positive_f1, 3)}
        </span>
      </h3>
      <Whiskers options={evidence.options} policy={policy} chosen={chosen} />
      <Options evidence={evidence} chosen={chosen} />
      <PairVerdicts options={evidence.options} chosen={chosen} />
      <Deployment options={evidence.options} chosen={chosen} />
      {evidence.comparisons.length > 0 && <Comparisons pairs={evidence.comparisons} />}
      {evidence.slices.length > 0 && <Slices slices={evidence.slices} options={evidence.options.map((o) => o.option)} />}
    </>
  );
}

function Options({ evidence, chosen }: { evidence: Evidence; chosen: Option | null }) {
  const columns = ["F1", "95 % interval", "Precision", "Recall", "MCC", "AUPRC", "ECE", "Test F1"];
  return (
    <div class="scroll">
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
          {evidence.options.map((option) => (
            <tr key={option.option} class={option.option === chosen ? "chosen" : undefined}>
              <th scope="row">
                {optionName(option.option, option.text_weight)}
                {option.option === chosen && <small>chosen</small>}
              </th>
              <td class="number">
                <strong>{score(option.f1)}</strong>
              </td>
              <td class="number">
                {score(option.f1_interval.low, 3)} to {score(option.f1_interval.high, 3)}
              </td>
              <td class="number">{score(option.precision, 3)}</td>
              <td class="number">{score(option.recall, 3)}</td>
              <td class="number">{score(option.mcc, 3)}</td>
              <td class="number">{score(option.auprc, 3)}</td>
              <td class="number">{score(option.ece, 3)}</td>
              <td class="number">{score(option.test_f1, 3)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
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
      <div class="scroll">
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
      <div class="scroll">
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
  return (
    <>
      <h3>Where {(100 * first.prevalence).toFixed(1)} % of the functions are vulnerable</h3>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Option</th>
              {["Precision", "F1", "Alerts per 1,000", "VD-S"].map((name) => (
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
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Estimated({ value, digits }: { value: Estimate; digits: number }) {
  return (
    <td class="number">
      <strong>{score(value.mean, digits)}</strong>{" "}
      <small>
        {score(value.interval.low, digits)} to {score(value.interval.high, digits)}
      </small>
    </td>
  );
}

function Slices({ slices, options }: { slices: Slice[]; options: Option[] }) {
  return (
    <details>
      <summary>Accuracy by kind of weakness and project ({slices.length})</summary>
      <div class="scroll">
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
