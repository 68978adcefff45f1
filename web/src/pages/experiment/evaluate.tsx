import { useState } from "preact/hooks";
import { type Away, newKey, type Refused, send } from "../../api";
import { Refusal } from "../../parts/sending";
import { usePoll } from "../../poll";
import { go } from "../../router";
import type { Bundle, Dataset, EvaluationRun, Page } from "../../schemas";

/** How the packed models do on data sets that they were not trained on. */
export function EvaluateForm({ bundle }: { bundle: Bundle }) {
  const { value: page } = usePoll<Page<Dataset>>("/v1/datasets?limit=100&state=ready", () => true);
  const [chosen, setChosen] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Refused | Away | null>(null);
  const [keys] = useState(() => new Map<string, string>());

  async function onSubmit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    for (const dataset of chosen) {
      // Started again after no answer, the same request is done once.
      const key = keys.get(dataset) ?? newKey();
      keys.set(dataset, key);
      const answer = await send<EvaluationRun>("POST", "/v1/evaluations", { body: { dataset, bundle: bundle.id }, key });
      if (answer.kind === "refused") keys.delete(dataset);
      if (answer.kind !== "done") {
        setTrouble(answer);
        setBusy(false);
        return;
      }
    }
    go(`/evaluations?bundle=${bundle.id}`);
  }

  function toggle(id: string): void {
    setChosen(chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id]);
  }

  return (
    <form class="deed" onSubmit={(event) => void onSubmit(event)} aria-label="Evaluate on other data sets">
      <fieldset class="wide">
        <legend>Data sets whose gate and test split judge {bundle.id}</legend>
        {page?.items.map((one) => (
          <label key={one.id} class="check">
            <input type="checkbox" checked={chosen.includes(one.id)} onChange={() => toggle(one.id)} />
            <bdi>{one.name}</bdi> {one.version > 1 && `@${one.version}`}
          </label>
        ))}
      </fieldset>
      <button type="submit" class="primary" disabled={busy || chosen.length === 0}>
        {chosen.length > 1 ? `Evaluate on ${chosen.length} data sets` : "Evaluate"}
      </button>
      <a href={`#/evaluations?bundle=${bundle.id}`}>Its evaluations</a>
      <Refusal of={trouble} />
    </form>
  );
}
