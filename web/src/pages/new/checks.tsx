// Beside the form: what the experiment will take, and what is known to be wrong with it, before anything runs.

import { useEffect, useRef, useState } from "preact/hooks";
import { type Away, newKey, type Refused, send } from "../../api";
import { bytes, cellName, duration } from "../../format";
import { State } from "../../parts/state";
import type { EstimateAnswer, Figure, Preflight } from "../../schemas";
import { at, type Document } from "./document";

const TYPED_MS = 500;

export interface Checked {
  estimate: EstimateAnswer | null;
  preflight: Preflight | null;
  /** What the server would refuse, and why. */
  refused: Refused | Away | null;
  busy: boolean;
}

/** Have a document checked by the server whenever it has not changed for half a second. */
export function useChecks(document: Document): Checked {
  const [checked, setChecked] = useState<Checked>({ estimate: null, preflight: null, refused: null, busy: false });
  const text = JSON.stringify(document);
  const latest = useRef(text);
  latest.current = text;
  useEffect(() => {
    if (!document["dataset"]) {
      setChecked({ estimate: null, preflight: null, refused: null, busy: false });
      return undefined;
    }
    setChecked((was) => ({ ...was, busy: true }));
    const timer = window.setTimeout(() => {
      void check(document).then((found) => latest.current === text && setChecked(found));
    }, TYPED_MS);
    return () => window.clearTimeout(timer);
  }, [text]);
  return checked;
}

async function check(document: Document): Promise<Checked> {
  // A name is asked for when it is started, not while it is written.
  const named = { ...document, name: document["name"] || "not named yet" };
  const [estimate, preflight] = await Promise.all([
    send<EstimateAnswer>("POST", "/v1/estimates", { body: named, key: newKey() }),
    send<Preflight>("POST", "/v1/preflights", { body: preflightOf(document, "static"), key: newKey() }),
  ]);
  const refused = [estimate, preflight].find((answer) => answer.kind !== "done");
  return {
    estimate: estimate.kind === "done" ? estimate.value : null,
    preflight: preflight.kind === "done" ? preflight.value : null,
    refused: refused ?? null,
    busy: false,
  };
}

/** The request that has a document's configs checked; `smoke` takes one real batch through every stage. */
export function preflightOf(document: Document, mode: "static" | "smoke"): Document {
  const request: Document = { dataset: document["dataset"], mode };
  for (const cell of ["transformer", "gnn"]) request[cell] = at(document, `/${cell}`) ?? {};
  if (document["queue"] !== undefined && mode === "smoke") request["queue"] = document["queue"];
  return request;
}

export function Checks({ found: { estimate, preflight, refused, busy }, chosen }: { found: Checked; chosen: boolean }) {
  return (
    <aside class="card before-start" aria-label="Before it starts" aria-busy={busy}>
      <h2>What it will take</h2>
      {!chosen && <p class="quiet">Choose a data set to see it.</p>}
      {chosen && estimate === null && <p class="quiet">{busy ? "Estimating…" : "Not known while the request has mistakes."}</p>}
      {estimate && <Estimate found={estimate} />}
      <h2>Pre-flight</h2>
      {!chosen && <p class="quiet">What would make a run fail stands here before it starts.</p>}
      {chosen && preflight === null && <p class="quiet">{busy ? "Checking…" : "Not checked."}</p>}
      {preflight && (
        <>
          <p>
            <State state={preflight.verdict} />
          </p>
          <ul class="found">
            {preflight.checks.map((one) => (
              <li key={one.name}>
                <State state={one.verdict} /> <strong>{one.name.replaceAll("_", " ")}</strong> {one.detail} {one.fix}
              </li>
            ))}
          </ul>
        </>
      )}
      {refused?.kind === "away" && <p class="mistake">Not checked: {refused.detail}</p>}
    </aside>
  );
}

function Estimate({ found: { steps, device_s, cost, exceeds_budget } }: { found: EstimateAnswer }) {
  return (
    <>
      <p class="figure">
        {device_s.value === null ? "Not known yet" : duration(device_s.value)}
        <span class="quiet"> at work{rangeOf(device_s)}</span>
      </p>
      {cost.value !== null && (
        <p>
          Cost {cost.value.toFixed(2)} <span class="quiet">{cost.source}</span>
        </p>
      )}
      <p class="quiet small">{device_s.source}</p>
      {exceeds_budget && <p class="mistake">Even the lower end is above its budget.</p>}
      {steps.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Cell</th>
              <th scope="col" class="number">
                Runs
              </th>
              <th scope="col" class="number">
                Each
              </th>
              <th scope="col" class="number">
                Memory
              </th>
            </tr>
          </thead>
          <tbody>
            {steps.map((step) => (
              <tr key={step.cell}>
                <th scope="row">{cellName(step.cell)}</th>
                <td class="number">{step.runs}</td>
                <td class="number" title={step.seconds.source}>
                  {duration(step.seconds.value)}
                </td>
                <td class="number" title={step.host_bytes.source}>
                  {step.host_bytes.value === null ? "–" : bytes(step.host_bytes.value)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function rangeOf({ low, high }: Figure): string {
  return low == null || high == null ? "" : `, ${duration(low)} to ${duration(high)}`;
}
