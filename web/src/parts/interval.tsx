// A score as a dot with its interval on the gate axis: from 0.5 to 1 on every row, so that rows can be compared.

import { score } from "../format";
import type { SummaryF1 } from "../schemas";

const LOW = 0.5;
const WIDTH = 96;
const HEIGHT = 14;

/** The best F1 of an experiment against the threshold of its gate; without one, room for it. */
export function Interval({ f1, gateF1 }: { f1: SummaryF1 | null; gateF1: number }) {
  if (f1 === null) return <span class="interval quiet">–</span>;
  const { mean, low = null, high = null, option, seeds } = f1;
  const range = low === null || high === null ? "no interval yet" : `95 % interval ${score(low, 3)} to ${score(high, 3)}`;
  const title = `${option}: F1 ${score(mean)}, ${range}, ${seeds} ${seeds === 1 ? "seed" : "seeds"}; gate above ${score(gateF1, 2)}`;
  const middle = HEIGHT / 2;
  return (
    <span class={`interval ${side(mean, low, high, gateF1)}`} title={title}>
      <svg width={WIDTH} height={HEIGHT} aria-hidden="true">
        <line class="axis" x1={0} x2={WIDTH} y1={middle} y2={middle} />
        <line class="gate-line" x1={x(gateF1)} x2={x(gateF1)} y1={0} y2={HEIGHT} />
        {low !== null && high !== null && <line class="range" x1={x(low)} x2={x(high)} y1={middle} y2={middle} />}
        {mean < LOW ? (
          <path class="point" d={`M0 ${middle}l6 -4v8z`} />
        ) : (
          <circle class="point" cx={x(mean)} cy={middle} r={3.5} />
        )}
      </svg>
      <span class="figure">{score(mean, 3)}</span>
      <span class="sr">{range}</span>
    </span>
  );
}

function x(value: number): number {
  return (WIDTH * (Math.min(1, Math.max(LOW, value)) - LOW)) / (1 - LOW);
}

function side(mean: number, low: number | null, high: number | null, gate: number): string {
  if ((low ?? mean) > gate) return "above";
  return (high ?? mean) > gate ? "near" : "below";
}
