// What a run measured, and what it found on its way.

import { count, scientific, score } from "../../format";
import { State } from "../../parts/state";
import type { Result, Run } from "../../schemas";
import { ended } from "../../states";
import { Fact } from "./head";

/** The result, or the place where it will stand. */
export function ResultCard({ run }: { run: Run }) {
  if (run.result) return <Measured result={run.result as Result} />;
  return (
    <section class="card result-place" aria-labelledby="result">
      <h2 id="result">Result</h2>
      <p class="quiet">{ended(run.state) ? "It has left none." : "It will stand here."}</p>
    </section>
  );
}

function Measured({ result }: { result: Result }) {
  const splits = Object.entries(result.metrics ?? {});
  // A result of an earlier release may lack what has a default.
  const { learning_rate: rate, checks = [], warnings = [] } = result;
  return (
    <section class="card result-place" aria-labelledby="result">
      <h2 id="result">Result</h2>
      {splits.length > 0 && (
        <div class="scroll" tabIndex={0} role="group" aria-label="Scores by split">
          <table>
            <thead>
              <tr>
                <th scope="col">Split</th>
                {["Functions", "Vulnerable", "F1", "Precision", "Recall", "MCC", "AUPRC", "AUROC", "ECE"].map((column) => (
                  <th key={column} scope="col" class="number">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {splits.map(([split, found]) => (
                <tr key={split}>
                  <th scope="row">{split}</th>
                  <td class="number">{count(found.rows)}</td>
                  <td class="number">{count(found.positives)}</td>
                  {[found.f1, found.precision, found.recall, found.mcc, found.auprc, found.auroc, found.ece].map(
                    (value, index) => (
                      <td key={index} class="number">
                        {score(value)}
                      </td>
                    ),
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <dl class="facts">
        {rate && (
          <Fact name="Learning rate">
            {scientific(rate.learning_rate)} <span class="quiet">{rate.source}</span>
          </Fact>
        )}
        {result.best_epoch != null && (
          <Fact name="Best epoch">
            {result.best_epoch} of {result.epochs}
          </Fact>
        )}
        {result.steps != null && <Fact name="Steps">{count(result.steps)}</Fact>}
        {result.parameters != null && <Fact name="Parameters">{count(result.parameters)}</Fact>}
        {result.threshold != null && <Fact name="Threshold">{score(result.threshold, 3)}</Fact>}
        {result.temperature != null && <Fact name="Temperature">{score(result.temperature, 3)}</Fact>}
        <Fact name="Peak memory">{count(Math.round(result.memory.host_bytes / 2 ** 20))} MiB</Fact>
        <Fact name="Device">
          {result.environment.device}, {result.environment.precision}, threads: {result.environment.threads}
        </Fact>
      </dl>
      {rate && <p class="quiet small">Learning rate: {rate.reason}</p>}
      {checks.length > 0 && (
        <ul class="checks">
          {checks.map((check) => (
            <li key={check.name}>
              <State state={check.verdict} /> <strong>{check.name.replaceAll("_", " ")}</strong> {check.detail} {check.fix}
            </li>
          ))}
        </ul>
      )}
      {warnings.length > 0 && (
        <ul class="warnings">
          {warnings.map((warning) => (
            <li key={warning}>{warning}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

