import { score } from "../format";
import type { GateCheck, GateReport, SeedValue } from "../schemas";
import { VerdictMark } from "./state";

export function Gate({ report }: { report: GateReport }) {
  return (
    <section class="card" aria-labelledby="gate">
      <div class="head">
        <h2 id="gate">Gate</h2>
        <VerdictMark verdict={report.verdict} />
        <span class="quiet">{report.summary}</span>
      </div>
      <div class="scroll">
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
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {report.checks.map((check) => (
              <Check key={`${check.name}-${check.cell}`} check={check} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Check({ check }: { check: GateCheck }) {
  const { seeds = [] } = check;
  return (
    <tr>
      <th scope="row">
        {check.title}
        {!check.blocking && <small>warns only</small>}
      </th>
      <td>
        <VerdictMark verdict={check.verdict} />
      </td>
      <td class="number" data-name="threshold">{check.threshold == null ? "" : number(check.threshold)}</td>
      <td class="number" data-name="measured">
        {check.measured == null ? "" : number(check.measured)}
        {check.interval && (
          <small>
            {score(check.interval[0], 3)} to {score(check.interval[1], 3)}
          </small>
        )}
      </td>
      <td class="why">
        {check.reason.split(" | ").map((part) => (
          <div key={part}>{part}</div>
        ))}
        {check.waiver && (
          <div>
            Waived by {check.waiver.by}: {check.waiver.reason}
          </div>
        )}
        {seeds.length > 0 && (
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
        )}
      </td>
    </tr>
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
