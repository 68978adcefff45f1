// Every option with its interval on one axis, and its scores in the same row.

import { optionName, score, signed } from "../../format";
import type { Evidence, Option, Policy } from "../../schemas";
import { differenceOf } from "./answer_text";

const TICKS = 5;
const COLUMNS = ["Precision", "Recall", "MCC", "AUPRC", "ECE", "Test F1"];

export interface OptionsTableProps {
  evidence: Evidence;
  policy: Policy;
  /** What the last word ships; null: nothing. */
  chosen: Option | null;
}

export function OptionsTable({ evidence, policy, chosen }: OptionsTableProps) {
  const axis = axisOf(evidence, policy);
  const ordered = [...evidence.options].sort((one, other) => other.f1 - one.f1);
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Options on the gate split">
      <table class="options">
        <thead>
          <tr>
            <th scope="col">Option</th>
            <th scope="col" class="axis-head">
              <span class="sr">95 % interval of F1 on an axis</span>
              <AxisHead axis={axis} />
            </th>
            <th scope="col" class="number">
              F1
            </th>
            <th scope="col" class="number">
              95 %
            </th>
            <th scope="col" class="number">
              {chosen === null ? "" : "Against the chosen"}
            </th>
            {COLUMNS.map((column) => (
              <th key={column} scope="col" class="number">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {ordered.map((option) => {
            const less = chosen === null ? null : differenceOf(evidence.comparisons, option.option, chosen);
            return (
              <tr key={option.option} class={option.option === chosen ? "chosen" : undefined}>
                <th scope="row">
                  {optionName(option.option, option.text_weight)}
                  {option.option === chosen && <small>chosen</small>}
                </th>
                <td class="axis-cell">
                  <Whisker axis={axis} interval={option.f1_interval} mean={option.f1} seeds={option.f1_per_seed} />
                </td>
                <td class="number f1">
                  <strong>{score(option.f1)}</strong>
                </td>
                <td class="number" data-name="95 %">
                  {score(option.f1_interval.low, 3)} to {score(option.f1_interval.high, 3)}
                </td>
                <td class="number against" data-name={less ? "against the chosen" : ""}>
                  {less && (
                    <>
                      {signed(less.f1)} <small>{`${signed(less.low, 3)} to ${signed(less.high, 3)}`}</small>
                    </>
                  )}
                </td>
                {[option.precision, option.recall, option.mcc, option.auprc, option.ece, option.test_f1].map((value, place) => (
                  <td key={COLUMNS[place]} class="number" data-name={COLUMNS[place]}>
                    {score(value, 3)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

export interface Axis {
  low: number;
  high: number;
  marks: { at: number; name: string }[];
}

function axisOf(evidence: Evidence, policy: Policy): Axis {
  const marks = [
    { at: policy.gate_f1, name: "gate" },
    { at: policy.skip_fusion_f1, name: "skip fusion" },
  ];
  const ends = evidence.options.flatMap(({ f1_interval, f1_per_seed }) => [f1_interval.low, f1_interval.high, ...f1_per_seed]);
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const near = marks.map((mark) => mark.at).filter((at) => at > least - 0.15 && at < most + 0.15);
  const low = Math.max(0, Math.floor((Math.min(least, ...near) - 0.005) * 50) / 50);
  const high = Math.min(1, Math.ceil((Math.max(most, ...near) + 0.005) * 50) / 50);
  return { low, high, marks: marks.filter((mark) => mark.at >= low && mark.at <= high) };
}

export function placeOn({ low, high }: Axis, value: number): string {
  return `${(100 * (Math.min(high, Math.max(low, value)) - low)) / (high - low)}%`;
}

function AxisHead({ axis }: { axis: Axis }) {
  const ticks = Array.from({ length: TICKS }, (_, place) => axis.low + ((axis.high - axis.low) * place) / (TICKS - 1));
  return (
    <div class="track head" aria-hidden="true">
      {axis.marks.map((mark) => (
        <span key={mark.name} class="mark-name" style={{ left: placeOn(axis, mark.at) }}>
          {mark.name} {mark.at.toFixed(2)}
        </span>
      ))}
      {ticks.map((tick) => (
        <span key={tick} class="tick" style={{ left: placeOn(axis, tick) }}>
          {tick.toFixed(2)}
        </span>
      ))}
    </div>
  );
}

export interface WhiskerProps {
  axis: Axis;
  interval: { low: number; high: number } | null;
  mean: number | null;
  seeds: number[];
}

/** A dot at the mean, a bar for the interval, a small dot for each seed; the row's cells have the same numbers. */
export function Whisker({ axis, interval, mean, seeds }: WhiskerProps) {
  return (
    <div class="track" aria-hidden="true">
      {axis.marks.map((mark) => (
        <span key={mark.name} class="threshold" style={{ left: placeOn(axis, mark.at) }} />
      ))}
      {interval && (
        <span
          class="whisker"
          style={{
            left: placeOn(axis, interval.low),
            width: `calc(${placeOn(axis, interval.high)} - ${placeOn(axis, interval.low)})`,
          }}
        />
      )}
      {seeds.map((value, place) => (
        <span key={place} class="seed-dot" style={{ left: placeOn(axis, value) }} />
      ))}
      {mean !== null && <span class="dot" style={{ left: placeOn(axis, mean) }} />}
    </div>
  );
}
