import { useState } from "preact/hooks";
import { count, score } from "../../format";
import { Refusal, useSend } from "../../parts/sending";
import { usePoll } from "../../poll";
import type { Bundle, Dataset, EvaluationRun, Page } from "../../schemas";
import { ended } from "../../states";

/** How the packed models do on a data set that they were not trained on. */
export function EvaluateForm({ bundle }: { bundle: Bundle }) {
  const { value: page } = usePoll<Page<Dataset>>("/v1/datasets?limit=100&state=ready", () => true);
  const [dataset, setDataset] = useState("");
  const { send, busy, trouble, value } = useSend<EvaluationRun>();
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    void send("POST", "/v1/evaluations", { dataset, bundle: bundle.id });
  };
  return (
    <form class="deed" onSubmit={onSubmit} aria-label="Evaluate on another data set">
      <label class="wide">
        Data set whose gate and test split judge {bundle.id}
        <select required value={dataset} onChange={(event) => setDataset(event.currentTarget.value)}>
          <option value="">Choose one</option>
          {page?.items.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name} @{one.version}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="primary" disabled={busy || dataset === ""}>
        Evaluate
      </button>
      <Refusal of={trouble} />
      {value && <Found run={value.run} />}
    </form>
  );
}

function Found({ run }: { run: string }) {
  const { value } = usePoll<EvaluationRun>(`/v1/evaluations/${run}`, (found) => ended(found.state));
  const found = value?.evaluation;
  return (
    <p role="status" class="wide">
      {found ? (
        <>
          F1 <strong>{score(found.metrics.f1)}</strong> ({score(found.f1_interval.low, 3)} to {score(found.f1_interval.high, 3)}) on{" "}
          {count(found.metrics.rows)} functions, precision {score(found.metrics.precision, 3)}, recall {score(found.metrics.recall, 3)}
          {found.overlap && `; ${count(found.overlap.exact + found.overlap.near)} of them, or near copies, were in its training`}.{" "}
        </>
      ) : (
        `The evaluation is ${value?.state ?? "queued"}${value?.failure_detail ? `: ${value.failure_detail}` : ""}. `
      )}
      <a href={`#/runs/${run}`}>Its run</a>
    </p>
  );
}
