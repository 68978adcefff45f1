import { useState } from "preact/hooks";
import { score } from "../../format";
import { Refusal, useSend } from "../../parts/sending";
import { usePoll } from "../../poll";
import type { Bundle, ScoresRun } from "../../schemas";
import { ended } from "../../states";

/** Score a function with the packed models. */
export function PredictForm({ bundle }: { bundle: Bundle }) {
  const [source, setSource] = useState("");
  const { send, busy, trouble, value } = useSend<ScoresRun>();
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    void send("POST", `/v1/bundles/${bundle.id}/predict`, { functions: [source], explain: "all" });
  };
  return (
    <form class="deed" onSubmit={onSubmit} aria-label="Score a function">
      <label class="wide">
        One C or C++ function
        <textarea required rows={6} spellcheck={false} value={source} onInput={(event) => setSource(event.currentTarget.value)} />
      </label>
      <button type="submit" class="primary" disabled={busy || source.trim() === ""}>
        Score
      </button>
      <Refusal of={trouble} />
      {value && <Found run={value.run} source={source} />}
    </form>
  );
}

function Found({ run, source }: { run: string; source: string }) {
  const { value } = usePoll<ScoresRun>(`/v1/predictions/${run}`, (found) => ended(found.state));
  const found = value?.scores?.functions[0];
  const lines = source.split("\n");
  return (
    <div role="status" class="wide">
      {found && value?.scores ? (
        <>
          <p>
            <strong class={found.vulnerable ? "bad" : "good"}>{found.vulnerable ? "Vulnerable" : "Safe"}</strong>, probability{" "}
            {score(found.probability)}, threshold {score(value.scores.threshold, 3)}
            {found.text_truncated && "; the text model saw its head and tail only"}
          </p>
          <ul class="values">
            {found.weights?.slice(0, 5).map((weight) => (
              <li key={weight.start_line}>
                line {weight.start_line}: {weight.log_odds.toFixed(2)} <code>{lines[weight.start_line - 1]?.trim().slice(0, 80)}</code>
              </li>
            ))}
          </ul>
        </>
      ) : (
        `It is ${value?.state ?? "queued"}${value?.failure_detail ? `: ${value.failure_detail}` : ""}. `
      )}
      <a href={`#/runs/${run}`}>Its run</a>
    </div>
  );
}
