// A small curve of F1 against the line of a gate: on dev epoch by epoch, or the best so far. Every point was measured.

import { score } from "../format";

const WIDTH = 150;
const HEIGHT = 40;
const EDGE = 4;
const LEAST = 0.4;

export interface SparklineProps {
  /** Epoch, or another number that grows, and F1. */
  points: number[][];
  gate: number;
  /** Of what the curve is. */
  name: string;
  what?: string;
  /** What the points count. */
  of?: string;
}

/** A small curve; it keeps its room while there is nothing to draw. */
export function Sparkline({ points, gate, name, what = "F1 on dev", of = "epoch" }: SparklineProps) {
  const found = points.map(([epoch = 0, f1 = 0]): [number, number] => [epoch, f1]);
  const last = found.at(-1);
  const low = Math.min(LEAST, ...found.map(([, f1]) => f1));
  const [from, to] = [found[0]?.[0] ?? 0, last?.[0] ?? 1];
  const x = (epoch: number) => EDGE + ((WIDTH - 2 * EDGE) * (epoch - from)) / Math.max(1, to - from);
  const y = (f1: number) => HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * (f1 - low)) / (1 - low);
  const words = last
    ? `${what} of ${name}: ${score(last[1], 3)} after ${of} ${last[0]}; gate ${score(gate, 2)}`
    : `${what} of ${name}: no ${of} yet`;
  return (
    <span class="sparkline" title={words}>
      <svg width={WIDTH} height={HEIGHT} role="img" aria-label={words}>
        <line class="gate-line" x1={0} x2={WIDTH} y1={y(gate)} y2={y(gate)} />
        {found.length > 1 && <polyline points={found.map(([epoch, f1]) => `${x(epoch)},${y(f1)}`).join(" ")} />}
        {last && <circle cx={found.length > 1 ? x(last[0]) : WIDTH / 2} cy={y(last[1])} r={3} />}
      </svg>
      <span class="figure" aria-hidden="true">
        {last ? score(last[1], 3) : ""}
      </span>
    </span>
  );
}
