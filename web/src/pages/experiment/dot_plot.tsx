// The seeds of a check as dots on an axis from 0.5 to 1, or from 0, against its threshold.

import type { GateCheck } from "../../schemas";

const WIDTH = 150;
const HEIGHT = 26;
const MIDDLE = 10;

export function DotPlot({ check, seeds }: { check: GateCheck; seeds: { cell: number; seed: number; value: number }[] }) {
  const threshold = check.threshold ?? 0;
  const ends = [threshold, ...seeds.map((seed) => seed.value), ...(check.interval ?? [])];
  const low = Math.min(...ends) >= 0.5 ? 0.5 : 0;
  const x = (value: number) => 4 + ((WIDTH - 8) * (Math.min(1, Math.max(low, value)) - low)) / (1 - low);
  return (
    <svg class="dot-plot" width={WIDTH} height={HEIGHT} aria-hidden="true">
      <line class="axis" x1={x(low)} x2={x(1)} y1={MIDDLE} y2={MIDDLE} />
      {check.interval && <line class="range" x1={x(check.interval[0])} x2={x(check.interval[1])} y1={MIDDLE} y2={MIDDLE} />}
      <line class="threshold-line" x1={x(threshold)} x2={x(threshold)} y1={1} y2={MIDDLE + 9} />
      {seeds.map((seed) => (
        <circle key={`${seed.cell}-${seed.seed}`} cx={x(seed.value)} cy={MIDDLE} r="3" style={{ fill: `var(--cell-${seed.cell})` }}>
          <title>{`cell ${seed.cell} seed ${seed.seed}: ${seed.value.toFixed(4)}`}</title>
        </circle>
      ))}
      <text x={x(low)} y={HEIGHT - 1} text-anchor="start">
        {low}
      </text>
      <text x={x(threshold)} y={HEIGHT - 1} text-anchor="middle">
        {Number(threshold.toFixed(2))}
      </text>
      <text x={x(1)} y={HEIGHT - 1} text-anchor="end">
        1
      </text>
    </svg>
  );
}
