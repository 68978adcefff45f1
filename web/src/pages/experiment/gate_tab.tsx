// The gate: what failed stands first, what follows from it is folded below it, and each check shows its seeds on an axis.

import { useState } from "preact/hooks";
import { score } from "../../format";
import { may, useMe } from "../../me";
import { Refusal, useSend } from "../../parts/sending";
import { VerdictMark } from "../../parts/state";
import type { Experiment, GateCheck, GateReport, SeedValue } from "../../schemas";
import { cascadeOf } from "./cascade";
import { DotPlot } from "./dot_plot";
import { runsOf } from "./steps";

const ORDER: Record<GateCheck["verdict"], number> = { fail: 0, pending: 1, waived: 2, warn: 3, pass: 4 };

export function GateTab({ experiment, report }: { experiment: Experiment; report: GateReport | null }) {
  if (report === null) {
    return (
      <section class="card tall" aria-labelledby="gate">
        <h2 id="gate">Gate</h2>
        <p class="quiet">Nothing to check yet: 51 and 52 have not been started.</p>
      </section>
    );
  }
  const cascade = cascadeOf(report, runsOf(experiment));
  const shown = report.checks
    .filter((check) => !cascade?.follows.includes(check))
    .sort((one, other) => ORDER[one.verdict] - ORDER[other.verdict]);
  const rows = (checks: GateCheck[]) =>
    checks.map((check) => <Check key={`${check.name}-${check.cell}`} check={check} experiment={experiment.id} />);
  return (
    <section class="card" aria-labelledby="gate">
      <div class="head">
        <h2 id="gate">Gate</h2>
        <VerdictMark verdict={report.verdict} />
        <span class="quiet">{report.summary}</span>
      </div>
      {cascade && cascade.follows.length > 0 && (
        <details class="cascade">
          <summary>
            {cascade.sentence} → {cascade.follows.length === 1 ? "1 check fails" : `${cascade.follows.length} checks fail`} because
            of it
          </summary>
          <Checks label="Checks that follow">{rows(cascade.follows)}</Checks>
        </details>
      )}
      <Checks label="Checks">{rows(shown)}</Checks>
    </section>
  );
}

function Checks({ label, children }: { label: string; children: preact.ComponentChildren }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={label}>
      <table class="gate">
        <thead>
          <tr>
            <th scope="col">Check</th>
            <th scope="col">Verdict</th>
            <th scope="col" class="number">
              Threshold
            </th>
            <th scope="col" class="number">
              Measured
            </th>
            <th scope="col">Seeds</th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

function Check({ check, experiment }: { check: GateCheck; experiment: string }) {
  const { seeds = [] } = check;
  const numbers = seeds.filter((seed): seed is SeedValue & { value: number } => typeof seed.value === "number");
  const scores = check.threshold != null && numbers.length > 0 && numbers.every(({ value }) => value >= 0 && value <= 1);
  return (
    <tr class={`verdict-${check.verdict}`}>
      <th scope="row">
        {check.title}
        {!check.blocking && <small>warns only</small>}
      </th>
      <td>
        <VerdictMark verdict={check.verdict} />
      </td>
      <td class="number" data-name="threshold">
        {check.threshold == null ? "" : number(check.threshold)}
      </td>
      <td class="number" data-name="measured">
        {check.measured == null ? "" : number(check.measured)}
        {check.interval && (
          <small>
            {score(check.interval[0], 3)} to {score(check.interval[1], 3)}
          </small>
        )}
      </td>
      <td class="plot-cell">{scores && <DotPlot check={check} seeds={numbers} />}</td>
      <td class="why">
        {check.reason.split(" | ").map((part) => (
          <div key={part}>{part}</div>
        ))}
        {check.waiver && (
          <div>
            Waived by {check.waiver.by}: {check.waiver.reason}
          </div>
        )}
        {seeds.length > 0 && <Seeds seeds={seeds} />}
        {check.verdict === "fail" && <Waive check={check} experiment={experiment} />}
      </td>
    </tr>
  );
}

function Seeds({ seeds }: { seeds: SeedValue[] }) {
  return (
    <ul class="values">
      {seeds.map((seed) => (
        <li key={seed.run}>
          <a href={`#/runs/${seed.run}`}>
            {seed.cell}·{seed.seed}
          </a>{" "}
          {shown(seed)}
        </li>
      ))}
    </ul>
  );
}

/** Let a failed check pass, with a reason, where its row stands. */
function Waive({ check, experiment }: { check: GateCheck; experiment: string }) {
  const [open, setOpen] = useState(false);
  const [reason, setReason] = useState("");
  const path = `/v1/experiments/${experiment}`;
  const { send, busy, trouble } = useSend(`${path}/gate`, path, `${path}/decisions`);
  const me = useMe();
  if (!may(me, "administer")) return null;
  if (!open) {
    return (
      <button type="button" class="small-button" onClick={() => setOpen(true)}>
        Waive<span class="sr"> {check.title}</span>
      </button>
    );
  }
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    void send("POST", `${path}/gate/waivers`, { check: check.name, reason: reason.trim() });
  };
  return (
    <form class="deed inline" onSubmit={onSubmit} aria-label={`Waive ${check.title}`}>
      <label class="wide">
        Why it may pass, which stays on record
        <input required value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
      <button type="submit" disabled={busy || reason.trim() === ""}>
        Waive it
      </button>
      <button type="button" onClick={() => setOpen(false)}>
        Leave it
      </button>
      <Refusal of={trouble} />
    </form>
  );
}

function shown({ value }: SeedValue): string {
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value ?? "–";
}

function number(value: number): string {
  return Number.isInteger(value) ? String(value) : score(value);
}
