// The config: what differs from the defaults or from the experiment before, the whole of it, and a copy to change.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Choice } from "../../charts/view";
import { duration } from "../../format";
import { may, useMe } from "../../me";
import { useSend } from "../../parts/sending";
import { usePoll } from "../../poll";
import type { ConfigDifference, EstimateOfExperiment, Experiment, ExperimentSummary, Page, Spent } from "../../schemas";
import { asCurl, asPython, asYaml, requestOf } from "./snippets";

type Against = "defaults" | "before";
type Form = "yaml" | "curl" | "python";

export function ConfigTab({ experiment, spent }: { experiment: Experiment; spent: Spent | null }) {
  const [against, setAgainst] = useState<Against>("defaults");
  const before = useBefore(experiment);
  const other = against === "before" ? before?.id : "defaults";
  const path = other ? `/v1/experiments/${experiment.id}/config?against=${other}` : null;
  const { value } = usePoll<ConfigDifference>(path, () => true);
  return (
    <>
      <section class="card" aria-labelledby="differences">
        <div class="head">
          <h2 id="differences">What differs</h2>
          <Choice<Against>
            name="Compared with"
            options={[
              { value: "defaults", text: "From the defaults", disabled: false },
              { value: "before", text: before ? `From ${before.name.slice(0, 40)}` : "No experiment before", disabled: !before },
            ]}
            chosen={against}
            onChoose={setAgainst}
          />
          <a class="button primary push" href={`#/new?from=${experiment.id}`}>
            Clone and change
          </a>
        </div>
        <Differences found={value} against={against === "before" ? "there" : "default"} />
        <Cost experiment={experiment} spent={spent} />
      </section>
      <Whole experiment={experiment} />
    </>
  );
}

/** The experiment before this one on the same data set. */
function useBefore(experiment: Experiment): ExperimentSummary | null {
  const until = encodeURIComponent(experiment.created_at);
  const path = `/v1/experiments?dataset=${experiment.dataset}&created_before=${until}&limit=2`;
  const { value } = usePoll<Page<ExperimentSummary>>(path, () => true);
  return value?.items.find((one) => one.id !== experiment.id) ?? null;
}

function Differences({ found, against }: { found: ConfigDifference | null; against: string }) {
  if (found === null) return <p class="quiet differences-place">Loading…</p>;
  if (found.changed.length === 0) return <p class="quiet differences-place">Nothing differs.</p>;
  return (
    <div class="scroll differences-place" tabIndex={0} role="group" aria-label="Settings that differ">
      <table class="differences">
        <thead>
          <tr>
            <th scope="col">Setting</th>
            <th scope="col">Here</th>
            <th scope="col">{against === "default" ? "Default" : "There"}</th>
          </tr>
        </thead>
        <tbody>
          {found.changed.map(({ pointer, value, other }) => (
            <tr key={pointer}>
              <th scope="row">
                <code>{pointer.slice(1).replaceAll("/", ".")}</code>
              </th>
              <td>
                <code>{JSON.stringify(value)}</code>
              </td>
              <td class="quiet">
                <code>{JSON.stringify(other)}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What it took, what was predicted, and what the same would take now. */
function Cost({ experiment, spent }: { experiment: Experiment; spent: Spent | null }) {
  const { send, value, trouble, busy } = useSend<EstimateOfExperiment>();
  const me = useMe();
  const predicted = spent?.predicted?.device_s;
  return (
    <p class="cost">
      {spent && (
        <>
          Took {duration(spent.device_s)} at work in cells 51 to 53
          {predicted?.value != null && `, predicted ${duration(predicted.value)}`}
          {spent.cost !== null && `, cost ${spent.cost.toFixed(2)}`}; {duration(spent.other_s)} in pre-flight and evidence.{" "}
        </>
      )}
      {may(me, "make") && (
        <button type="button" class="small-button" disabled={busy} onClick={() => void send("POST", "/v1/estimates", requestOf(experiment))}>
          Estimate it again
        </button>
      )}{" "}
      <span role="status">
        {value &&
          (value.device_s.value === null
            ? value.device_s.source
            : `${duration(value.device_s.value)} (${duration(value.device_s.low)} to ${duration(value.device_s.high)}), ${value.device_s.source}`)}
        {trouble && `No estimate: ${trouble.detail}`}
      </span>
    </p>
  );
}

function Whole({ experiment }: { experiment: Experiment }) {
  const [form, setForm] = useState<Form>("yaml");
  const text = useMemo(() => {
    if (form === "curl") return asCurl(experiment, location.origin);
    if (form === "python") return asPython(experiment, location.origin);
    return asYaml(requestOf(experiment));
  }, [form, experiment]);
  return (
    <section class="card" aria-labelledby="whole">
      <div class="head">
        <h2 id="whole">The whole of it</h2>
        <Choice<Form>
          name="Form"
          options={[
            { value: "yaml", text: "YAML", disabled: false },
            { value: "curl", text: "curl", disabled: false },
            { value: "python", text: "Python", disabled: false },
          ]}
          chosen={form}
          onChoose={setForm}
        />
        <Copy text={text} />
      </div>
      <pre class="command whole" tabIndex={0}>
        {text}
      </pre>
    </section>
  );
}

const SHOWN_MS = 2000;

export function Copy({ text }: { text: string }) {
  const [copied, setCopied] = useState<"no" | "yes" | "failed">("no");
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => () => window.clearTimeout(timer.current), []);

  async function copy(): Promise<void> {
    // Browsers give no clipboard to pages over plain HTTP from another machine.
    const done = await (navigator.clipboard?.writeText(text).then(() => true, () => false) ?? Promise.resolve(false));
    setCopied(done ? "yes" : "failed");
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setCopied("no"), SHOWN_MS);
  }

  return (
    <>
      <button type="button" class="push" onClick={() => void copy()}>
        {copied === "yes" ? "Copied" : copied === "failed" ? "Select the text" : "Copy"}
      </button>
      <span class="sr" role="status">
        {copied === "failed" ? "The browser does not let this page copy: select the text." : copied === "yes" ? "Copied" : ""}
      </span>
    </>
  );
}
