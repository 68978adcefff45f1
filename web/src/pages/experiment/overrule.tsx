import { useState } from "preact/hooks";
import { Refusal, useSend } from "../../parts/sending";
import type { Experiment } from "../../schemas";

const ANSWERS = {
  transformer: { text: "Ship the transformer", body: { outcome: "single", option: "transformer" } },
  gnn: { text: "Ship the graph network", body: { outcome: "single", option: "gnn" } },
  ensemble: { text: "Ship the ensemble", body: { outcome: "ensemble" } },
  fusion: { text: "Ship fusion", body: { outcome: "fusion" } },
  improve: { text: "Improve, ship nothing", body: { outcome: "improve" } },
};

/** A person's own answer in place of the computed one, which stays on record. */
export function OverruleForm({ experiment, onDone }: { experiment: Experiment; onDone: () => void }) {
  const [answer, setAnswer] = useState<keyof typeof ANSWERS>("ensemble");
  const [reason, setReason] = useState("");
  const path = `/v1/experiments/${experiment.id}`;
  const { send, busy, trouble } = useSend(`${path}/decisions`, path);

  async function onSubmit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const kept = await send("POST", `${path}/decision`, { ...ANSWERS[answer].body, reason: reason.trim() });
    if (kept !== null) onDone();
  }

  return (
    <form class="deed" onSubmit={onSubmit} aria-label="Overrule the answer">
      <label>
        Answer
        <select value={answer} onChange={(event) => setAnswer(event.currentTarget.value as keyof typeof ANSWERS)}>
          {Object.entries(ANSWERS).map(([name, { text }]) => (
            <option key={name} value={name}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label class="wide">
        Reason, which stays on record
        <input required value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
      <button type="submit" class="primary" disabled={busy || reason.trim() === ""}>
        Overrule
      </button>
      <Refusal of={trouble} />
    </form>
  );
}
