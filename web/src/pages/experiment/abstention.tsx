// Verdicts given only where a model is sure: how many functions have one, and how many of those are wrong.

import { optionName, score } from "../../format";
import type { Option, OptionEvidence } from "../../schemas";
import { Estimated } from "./estimated";
import { across, downFrom, OPTION_COLOURS, Plot } from "./quality";

/** Steps in which the axis of risks grows. */
const RISK_STEP = 0.1;

/** What the policy's `selective_risk` does to each option; nothing where it states none. */
export function Abstaining({ options, chosen }: { options: OptionEvidence[]; chosen: Option | null }) {
  const found = options.flatMap(({ option, abstention }) => (abstention ? [{ option, ...abstention }] : []));
  const [first] = found;
  if (!first) return null;
  const wanted = first.wanted_risk;
  const risks = found.flatMap(({ curve }) => curve.map((point) => point.risk));
  const high = Math.min(1, RISK_STEP * Math.ceil(Math.max(wanted, ...risks, RISK_STEP) / RISK_STEP));
  const down = (risk: number) => downFrom(risk, 0, high);
  return (
    <section class="abstaining" aria-labelledby="abstaining">
      <h3 id="abstaining">
        Where at most {score(100 * wanted, wanted < 0.01 ? 1 : 0)} % of the verdicts may be wrong{" "}
        <span class="quiet">near its threshold a model gives none; dev fixes how near, gate measures</span>
      </h3>
      <div class="beside">
        <div class="scroll" tabIndex={0} role="group" aria-label="Verdicts given and wrong ones">
          <table>
            <thead>
              <tr>
                <th scope="col">Option</th>
                <th scope="col" class="number">Functions with a verdict</th>
                <th scope="col" class="number">Wrong of these</th>
                <th scope="col">Margins per seed, log-odds</th>
              </tr>
            </thead>
            <tbody>
              {found.map(({ option, coverage, risk, margins }) => (
                <tr key={option} class={option === chosen ? "chosen" : undefined}>
                  <th scope="row">{optionName(option)}</th>
                  <Estimated value={coverage} digits={3} />
                  {risk ? <Estimated value={risk} digits={3} /> : <td class="number">– <small>a seed gives no verdict</small></td>}
                  <td>{margins.map((margin) => (margin === null ? "no verdicts" : margin.toFixed(2))).join(" · ")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <Plot title="Risk over coverage" x="share with a verdict" y="share wrong" note="Dashed: what may be wrong." low={0} high={high}>
          <line class="diagonal" x1={across(0)} x2={across(1)} y1={down(wanted)} y2={down(wanted)} />
          {found.map(({ option, curve, coverage, risk }) => (
            <g key={option} class={option === chosen ? "chosen" : undefined} style={{ color: `var(${OPTION_COLOURS[option]})` }}>
              <polyline points={curve.map((point) => `${across(point.coverage)},${down(point.risk)}`).join(" ")} />
              {risk && (
                <circle cx={across(coverage.mean)} cy={down(risk.mean)} r="3.5">
                  <title>{`${optionName(option)}: ${score(risk.mean, 3)} wrong of ${score(coverage.mean, 3)} with a verdict`}</title>
                </circle>
              )}
            </g>
          ))}
        </Plot>
      </div>
    </section>
  );
}
