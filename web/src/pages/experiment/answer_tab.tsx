// The answer: what ships, why not the others, what to do next; then what shows it.

import type { ComponentChildren } from "preact";
import { count, score } from "../../format";
import { Bundles } from "../../parts/bundles";
import { Report } from "../../parts/report";
import type { Decision, Evidence, Experiment, GateReport, Option, Policy } from "../../schemas";
import { ended } from "../../states";
import { answerOf, headline, sentences } from "./answer_text";
import { Deeds } from "./deeds";
import { EvidenceDetails } from "./evidence_details";
import { OptionsTable } from "./options_table";
import { Quality } from "./quality";
import { lastWord, runsOf, status } from "./steps";

const STAGES: Record<Decision["stage"], string> = {
  bases: "Over 51 and 52",
  final: "With fusion measured",
};

export interface AnswerTabProps {
  experiment: Experiment;
  /** In the order in which they were taken; null: not read yet. */
  decisions: Decision[] | null;
  gate: GateReport | null;
}

export function AnswerTab({ experiment, decisions, gate }: AnswerTabProps) {
  const { policy } = experiment.spec;
  if (decisions === null) return <Reading />;
  const last = decisions.at(-1);
  if (!last) return <NoAnswer experiment={experiment} gate={gate} />;
  const answer = answerOf(last);
  const said = sentences(last, policy, gate, runsOf(experiment));
  const earlier = decisions.slice(0, -1).reverse();
  return (
    <>
      <section class="card answer" aria-labelledby="answer">
        <div class="head">
          <h2 id="answer" class="big">
            {lastWord(experiment, last)}
          </h2>
          <Confidence decision={last} />
          <span class="quiet">{STAGES[last.stage]}</span>
        </div>
        <dl class="three">
          <Said name="What ships">{said.ships}</Said>
          <Said name={answer.option === null ? "Why" : "Why not the others"}>{said.whyNot}</Said>
          <Said name="Next">{said.next}</Said>
        </dl>
        <Deeds experiment={experiment} decision={last} />
      </section>
      {last.evidence && <Options evidence={last.evidence} policy={policy} chosen={answer.option} experiment={experiment.id} />}
      <Bundles experiment={experiment} />
      <section class="card" aria-labelledby="computed">
        <h2 id="computed">How it was computed</h2>
        <Computed decision={last} />
        {earlier.map((decision) => (
          <details key={decision.stage}>
            <summary>
              Before that, {STAGES[decision.stage].toLowerCase()}: {headline(answerOf(decision))} ({decision.confidence})
            </summary>
            <Computed decision={decision} />
          </details>
        ))}
      </section>
      <Report experiment={experiment} />
    </>
  );
}

function Said({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Confidence({ decision }: { decision: Decision }) {
  const why =
    decision.confidence === "borderline"
      ? "The interval of what decided includes its threshold: more seeds or more functions may turn it."
      : "The interval of what decided excludes its threshold.";
  return (
    <span class={`badge ${decision.option === null || decision.overrulings?.length ? "idle" : decision.confidence}`} title={why}>
      {decision.overrulings?.length ? `computed: ${decision.confidence}` : decision.confidence}
    </span>
  );
}

function Options(props: { evidence: Evidence; policy: Policy; chosen: Option | null; experiment: string }) {
  const { evidence, policy, chosen, experiment } = props;
  return (
    <section class="card options-place" aria-labelledby="options">
      <div class="head">
        <h2 id="options">Options on the gate split</h2>
        <span class="quiet">
          {count(evidence.rows)} functions, {count(evidence.positives)} vulnerable, {count(evidence.groups)} groups; calling all
          vulnerable has F1 {score(evidence.all_positive_f1, 3)}
        </span>
      </div>
      <OptionsTable evidence={evidence} policy={policy} chosen={chosen} />
      <Quality experiment={experiment} chosen={chosen} />
      <EvidenceDetails evidence={evidence} chosen={chosen} />
    </section>
  );
}

function Computed({ decision }: { decision: Decision }) {
  return (
    <>
      {decision.overrulings?.map((overruling) => (
        <p key={overruling.at} class="overruled">
          Overruled by {overruling.by}: {overruling.reason}
        </p>
      ))}
      <p class="rule">{decision.rule}</p>
      <ul class="reasons">
        {decision.reasons.map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
      {decision.evidence_hash && <p class="quiet small">Computed from evidence {decision.evidence_hash}</p>}
    </>
  );
}

/** The place of an answer that is there and not read yet. */
function Reading() {
  return (
    <>
      <section class="card answer" aria-busy="true">
        <p class="quiet">Loading…</p>
      </section>
      <section class="card options-place" aria-busy="true" />
    </>
  );
}

function NoAnswer({ experiment, gate }: { experiment: Experiment; gate: GateReport | null }) {
  const over = ended(experiment.state);
  return (
    <section class="card answer" aria-labelledby="answer">
      <div class="head">
        <h2 id="answer" class="big">
          {over ? "No answer" : "No answer yet"}
        </h2>
      </div>
      <dl class="three">
        <Said name={over ? "Why" : "Now"}>{status(experiment, undefined, gate)}</Said>
        <Said name="Next">
          {over
            ? "Seeds lists what failed and retries it; Config has a copy of this experiment with other settings."
            : "Nothing to do: the answer will stand here. Curves shows how the seeds train."}
        </Said>
      </dl>
    </section>
  );
}
