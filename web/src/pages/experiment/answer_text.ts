// The answer in three sentences: what ships, why not the others, what to do next. They say what the table beside them says.

import { score } from "../../format";
import type { Comparison, Decision, Evidence, GateReport, Option, OptionEvidence, Outcome, Policy, Run } from "../../schemas";
import { type Cascade, cascadeOf } from "./cascade";

export interface Answer {
  /** The last word: a person's, where there is one. */
  outcome: Outcome;
  option: Option | null;
  /** Who overruled the computed answer, and why. */
  overruling: { by: string; reason: string } | null;
  /** The computed answer. */
  computed: { outcome: Outcome; option: Option | null };
}

/** More seeds than these are not listed in a sentence. */
const MOST_NAMED = 5;
const NAMES: Record<Option, string> = {
  transformer: "the transformer",
  gnn: "the graph network",
  ensemble: "the ensemble",
  ensemble_tuned: "the tuned ensemble",
  fusion: "fusion",
  linear: "the linear model",
};

/** Return the last word on a decision, beside what was computed. */
export function answerOf(decision: Decision): Answer {
  const last = decision.overrulings?.at(-1);
  const computed = { outcome: decision.outcome, option: decision.option };
  if (last === undefined) return { ...computed, overruling: null, computed };
  const option = last.option ?? (last.outcome === "fusion" || last.outcome === "ensemble" ? last.outcome : null);
  return { outcome: last.outcome, option, overruling: { by: last.by, reason: last.reason }, computed };
}

/** Return an outcome as what is to be done. */
export function inWords(outcome: Outcome, option: Option | null): string {
  if (outcome === "improve") return "Improve";
  if (outcome === "train_fusion") return "Train fusion";
  return `Ship ${NAMES[option ?? (outcome as Option)] ?? outcome}`;
}

/** Return the last word in one line, with the computed answer where a person overruled it. */
export function headline(answer: Answer): string {
  const word = inWords(answer.outcome, answer.option);
  if (answer.overruling === null) return word;
  const { outcome, option } = answer.computed;
  return `${word}, overruled by ${answer.overruling.by}; computed: ${decapitalised(inWords(outcome, option))}`;
}

export interface Sentences {
  ships: string;
  whyNot: string;
  next: string;
}

/**
 * Return the answer in three sentences.
 *
 * @param runs Of the experiment: where seeds were lost, they are the reason.
 */
export function sentences(decision: Decision, policy: Policy, gate: GateReport | null, runs: Run[]): Sentences {
  const answer = answerOf(decision);
  const { evidence } = decision;
  const cascade = gate === null ? null : cascadeOf(gate, runs);
  return {
    ships: capitalised(`${whatShips(decision, answer, policy, evidence)}.`),
    whyNot: whyNot(decision, answer, policy, gate, cascade),
    next: whatNext(decision, answer, cascade),
  };
}

function whatShips(decision: Decision, answer: Answer, policy: Policy, evidence: Evidence | null): string {
  if (evidence === null) return "nothing ships: there is no evidence over both cells";
  const best = answer.option ?? bestAllowed(evidence, policy)?.option ?? null;
  const found = evidence.options.find((one) => one.option === best);
  if (found === undefined) return `${inWords(answer.outcome, answer.option)}, which was not measured`;
  const over = found.seeds.length === 1 ? "" : ` over ${found.seeds.length} seeds`;
  const { low, high } = found.f1_interval;
  const measured = `${over ? "mean " : ""}F1 ${score(found.f1)}${over} on the gate split (95 % ${score(low)} to ${score(high)})`;
  const text =
    answer.option !== null
      ? `${NAMES[found.option]} ships, with ${measured}${packed(decision, answer, evidence)}`
      : answer.outcome === "train_fusion"
        ? `nothing ships yet: ${NAMES[found.option]}, the best that may ship without fusion, has ${measured}`
        : `nothing ships: ${NAMES[found.option]}, the best that may ship, has ${measured}`;
  const better = evidence.options.filter((one) => one.f1 > found.f1).sort((one, other) => other.f1 - one.f1);
  return [text, ...better.map((one) => beaten(one, found, answer, policy))].join("; ");
}

/** What is packed of the seeds, and what just that has. */
function packed(decision: Decision, answer: Answer, evidence: Evidence): string {
  const seeds = decision.seeds ?? [];
  if (answer.overruling !== null || seeds.length === 0) return "";
  const form = evidence.shippable?.find((one) => one.option === answer.option && one.seeds.join() === seeds.join());
  const named = seeds.length > MOST_NAMED ? `all ${seeds.length} seeds` : `seeds ${seeds.join(", ")}`;
  const which = seeds.length === 1 ? `is seed ${seeds[0]} alone, the best on dev` : `are ${named} together`;
  return `; packed ${which}${form ? `, with F1 ${score(form.f1)}` : ""}`;
}

/** An option that beats the chosen one, and why it was not taken. */
function beaten(better: OptionEvidence, chosen: OptionEvidence, answer: Answer, policy: Policy): string {
  const why = reasonAgainst(better.option, answer, policy);
  return `${NAMES[better.option]} has ${score(better.f1)}, ${(better.f1 - chosen.f1).toFixed(4)} more, and was not taken: ${why}`;
}

function reasonAgainst(option: Option, answer: Answer, policy: Policy): string {
  if (option === "linear") return "it is measured for comparison only";
  if (option === "ensemble_tuned" && !policy.ship_tuned_ensemble) {
    return "the policy does not let it be shipped (ship_tuned_ensemble)";
  }
  if (answer.overruling !== null) return `${answer.overruling.by} decided (${answer.overruling.reason})`;
  if (answer.outcome === "improve") return "the gate has failed";
  return "the rule below did not choose it";
}

/** The best of what the policy lets be shipped without fusion. */
function bestAllowed(evidence: Evidence, policy: Policy): OptionEvidence | undefined {
  const allowed = evidence.options.filter(
    ({ option }) => option !== "linear" && option !== "fusion" && (option !== "ensemble_tuned" || policy.ship_tuned_ensemble),
  );
  return allowed.reduce<OptionEvidence | undefined>((best, one) => (best && best.f1 >= one.f1 ? best : one), undefined);
}

function whyNot(
  decision: Decision,
  answer: Answer,
  policy: Policy,
  gate: GateReport | null,
  cascade: Cascade | null,
): string {
  const { evidence } = decision;
  const parts: string[] = [];
  if (answer.overruling !== null) parts.push(`${answer.overruling.by} overruled the computed answer: ${answer.overruling.reason}`);
  const failed = (gate?.checks ?? []).filter(
    (check) => check.blocking && check.verdict === "fail" && check !== cascade?.cause && !cascade?.follows.includes(check),
  );
  if (answer.option === null) {
    const causes = failed.map((check) => (check.cell == null ? `${check.title}, ${check.reason}` : check.reason));
    if (cascade !== null) causes.unshift(lost(cascade));
    parts.push(causes.length > 0 ? `the gate failed: ${causes.join("; ")}` : decision.rule);
  } else if (evidence !== null) {
    const others = evidence.options.filter((one) => one.option !== answer.option);
    const compared = others.map((one) => compare(one, answer.option as Option, evidence, policy));
    if (compared.length > 0) parts.push(compared.join("; "));
  }
  return `${parts.map((part) => capitalised(part.replace(/\.$/, ""))).join(". ")}.`;
}

function lost({ sentence, follows }: Cascade): string {
  if (follows.length === 0) return sentence;
  return `${sentence}, and ${follows.length === 1 ? "1 check fails" : `${follows.length} checks fail`} because of it`;
}

/** How one option does against the chosen one, and whether that may be chance. */
function compare(other: OptionEvidence, chosen: Option, evidence: Evidence, policy: Policy): string {
  const found = differenceOf(evidence.comparisons, chosen, other.option);
  const name = NAMES[other.option];
  const chosenF1 = evidence.options.find((one) => one.option === chosen)?.f1 ?? 0;
  const less = chosenF1 - other.f1;
  const by = `${name} has ${Math.abs(less).toFixed(4)} ${less >= 0 ? "less" : "more"}`;
  if (found === null) return by;
  const chance = found.low <= 0 && found.high >= 0;
  const barred = other.option === "ensemble_tuned" && !policy.ship_tuned_ensemble;
  return `${by}${chance ? ", which may be chance" : ""}${chance && barred ? ", but the policy does not let it be shipped" : ""}`;
}

/** The difference `first` minus `second` with its interval, however it was compared. */
export function differenceOf(
  comparisons: Comparison[],
  first: Option,
  second: Option,
): { f1: number; low: number; high: number } | null {
  for (const found of comparisons) {
    const { low, high } = found.f1_interval;
    if (found.first === first && found.second === second) return { f1: found.f1_difference, low, high };
    if (found.first === second && found.second === first) return { f1: -found.f1_difference, low: -high, high: -low };
  }
  return null;
}

function whatNext(decision: Decision, answer: Answer, cascade: Cascade | null): string {
  if (answer.option === null && cascade !== null) {
    return "Open Seeds: it lists what each lost seed says, and retries them. What was concluded is then made anew.";
  }
  if (answer.overruling === null) return decision.next_steps.join(" ");
  if (answer.option === null) return "Improve cells 51 and 52, and submit the experiment again.";
  return `Pack ${NAMES[answer.option]} with the button below; then score code with cellgate predict.`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function decapitalised(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
