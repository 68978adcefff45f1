// What a person does with the answer: accept it by packing, overrule it, judge the bundle elsewhere, score functions.

import { useState } from "preact/hooks";
import { may, useMe } from "../../me";
import { usePoll } from "../../poll";
import type { Bundle, Decision, Experiment } from "../../schemas";
import { answerOf, inWords } from "./answer_text";
import { EvaluateForm } from "./evaluate";
import { OverruleForm } from "./overrule";
import { PredictForm } from "./predict";
import { useSend, Refusal } from "../../parts/sending";

type Deed = "overrule" | "evaluate" | "predict";

export function Deeds({ experiment, decision }: { experiment: Experiment; decision: Decision }) {
  const [open, setOpen] = useState<Deed | null>(null);
  const answer = answerOf(decision);
  const bundles = `/v1/bundles?experiment=${experiment.id}`;
  const { value } = usePoll<{ items: Bundle[] }>(bundles, ({ items }) => items.every((one) => one.state !== "packing"));
  const ready = value?.items.filter((one) => one.state === "ready") ?? [];
  const packing = value?.items.some((one) => one.state === "packing") ?? false;
  const pack = useSend<Bundle>(bundles);
  const ships = answer.option !== null;
  const packs = () => pack.send("POST", `/v1/experiments/${experiment.id}/bundle`, {});
  const needsBundle = ready.length === 0 ? "Pack the models first" : undefined;
  const me = useMe();
  const [makes, administers] = [may(me, "make"), may(me, "administer")];
  const toggle = (deed: Deed) => setOpen(open === deed ? null : deed);
  return (
    <div class="deeds">
      <div class="actions" role="group" aria-label="Actions on answer">
        {ships && makes && (
          <button
            type="button"
            class={ready.length === 0 ? "primary" : undefined}
            disabled={pack.busy || packing}
            onClick={packs}
            title="A bundle scores source files on any machine"
          >
            {packing ? "Packing…" : `${ready.length === 0 ? "Accept and pack" : "Pack again"}: ${inWords(answer.outcome, answer.option).toLowerCase()}`}
          </button>
        )}
        {administers && <DeedButton deed="overrule" label="Overrule" open={open} onToggle={toggle} />}
        {ships && makes && <DeedButton deed="evaluate" label="Evaluate on…" open={open} onToggle={toggle} why={needsBundle} />}
        {ships && makes && <DeedButton deed="predict" label="Score functions" open={open} onToggle={toggle} why={needsBundle} />}
        <Refusal of={pack.trouble} />
      </div>
      {open === "overrule" && <OverruleForm experiment={experiment} onDone={() => setOpen(null)} />}
      {open === "evaluate" && ready[0] && <EvaluateForm bundle={ready[0]} />}
      {open === "predict" && ready[0] && <PredictForm bundle={ready[0]} />}
    </div>
  );
}

interface DeedButtonProps {
  deed: Deed;
  label: string;
  open: Deed | null;
  onToggle: (deed: Deed) => void;
  /** Why it cannot be done. */
  why?: string;
}

function DeedButton({ deed, label, open, onToggle, why }: DeedButtonProps) {
  return (
    <button type="button" aria-expanded={open === deed} disabled={why !== undefined} title={why} onClick={() => onToggle(deed)}>
      {label}
    </button>
  );
}
