// Precision over recall, and how often what has a probability is vulnerable: from the report over the seeds.

import type { ComponentChildren } from "preact";
import { optionName, score } from "../../format";
import { usePoll } from "../../poll";
import type { Option, SeedReport } from "../../schemas";

const SIZE = 220;
const PAD = { left: 34, right: 8, top: 8, bottom: 26 };
const GRID = [0, 0.25, 0.5, 0.75, 1];
/** Precision begins here where no curve falls below: what matters lies at the top. */
const HIGH_GRID = [0.5, 0.6, 0.7, 0.8, 0.9, 1];
export const OPTION_COLOURS: Record<Option, string> = {
  transformer: "--cell-51",
  gnn: "--cell-52",
  ensemble: "--line-4",
  ensemble_tuned: "--line-6",
  fusion: "--cell-53",
  linear: "--line-5",
};

export interface QualityProps {
  experiment: string;
  chosen: Option | null;
}

export function Quality({ experiment, chosen }: QualityProps) {
  const { value } = usePoll<{ report: SeedReport }>(`/v1/experiments/${experiment}/report`, () => true);
  const options = value?.report.options.filter((one) => one.option !== "linear") ?? [];
  const precisions = options.flatMap((one) => one.curves.flat().map((point) => point.precision));
  const high = precisions.length > 0 && Math.min(...precisions) >= 0.5;
  const down = (value: number) => downFrom(value, high ? 0.5 : 0);
  return (
    <div class="quality">
      <Plot title="Precision over recall" x="recall" y="precision" note="One line for each seed." low={high ? 0.5 : 0}>
        {options.flatMap((one) =>
          one.curves.map((curve, seed) => (
            <polyline
              key={`${one.option}-${seed}`}
              class={one.option === chosen ? "chosen" : undefined}
              style={{ stroke: `var(${OPTION_COLOURS[one.option]})` }}
              points={curve.map((point) => `${across(point.recall)},${down(point.precision)}`).join(" ")}
            />
          )),
        )}
      </Plot>
      <Plot title="Reliability" x="probability" y="share vulnerable" note="On the diagonal it means what it says." low={0}>
        <line class="diagonal" x1={across(0)} y1={downFrom(0, 0)} x2={across(1)} y2={downFrom(1, 0)} />
        {options.map((one) => (
          <g key={one.option} class={one.option === chosen ? "chosen" : undefined} style={{ color: `var(${OPTION_COLOURS[one.option]})` }}>
            <polyline points={one.reliability.map((bin) => `${across(bin.probability)},${downFrom(bin.vulnerable, 0)}`).join(" ")} />
            {one.reliability.map((bin, place) => (
              <circle key={place} cx={across(bin.probability)} cy={downFrom(bin.vulnerable, 0)} r="2.5">
                <title>{`${optionName(one.option)}: ${bin.rows} functions at ${score(bin.probability, 2)}, ${score(bin.vulnerable, 2)} vulnerable`}</title>
              </circle>
            ))}
          </g>
        ))}
      </Plot>
      <ul class="legend column">
        {options.map((one) => (
          <li key={one.option} class={one.option === chosen ? "chosen" : undefined}>
            <svg class="sample" viewBox="0 0 26 6" aria-hidden="true">
              <line x1="0" y1="3" x2="26" y2="3" style={{ stroke: `var(${OPTION_COLOURS[one.option]})` }} />
            </svg>
            {optionName(one.option)}
            <span class="number">calibration error {score(one.calibration_error, 3)}</span>
            <span class="quiet small">
              {one.unsteady === null ? "" : `${(100 * one.unsteady).toFixed(1)} % of the functions called differently by seeds`}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function across(value: number): number {
  return PAD.left + value * (SIZE - PAD.left - PAD.right);
}

export function downFrom(value: number, low: number, high = 1): number {
  return PAD.top + ((high - value) / (high - low)) * (SIZE - PAD.top - PAD.bottom);
}

interface PlotProps {
  title: string;
  x: string;
  y: string;
  note: string;
  /** Where the vertical axis begins. */
  low: number;
  /** And where it ends. */
  high?: number;
  children: ComponentChildren;
}

export function Plot({ title, x, y, note, low, high = 1, children }: PlotProps) {
  const down = (value: number) => downFrom(value, low, high);
  const rows = low === 0 ? GRID.map((at) => at * high) : HIGH_GRID;
  return (
    <figure class="square">
      <figcaption>
        <h3>{title}</h3>
        <span class="quiet small">{note}</span>
      </figcaption>
      <svg viewBox={`0 0 ${SIZE} ${SIZE}`} role="img" aria-label={`${title}: ${y} over ${x}`}>
        {rows.map((at) => (
          <g key={at} class="grid">
            <line x1={across(0)} x2={across(1)} y1={down(at)} y2={down(at)} />
            <text x={PAD.left - 4} y={down(at) + 3} text-anchor="end">
              {Number(at.toFixed(3))}
            </text>
          </g>
        ))}
        {GRID.map((at) => (
          <g key={at} class="grid">
            <line y1={down(low)} y2={down(high)} x1={across(at)} x2={across(at)} />
            <text x={across(at)} y={SIZE - PAD.bottom + 12} text-anchor="middle">
              {at}
            </text>
          </g>
        ))}
        <text class="axis-name" x={across(0.5)} y={SIZE - 2} text-anchor="middle">
          {x}
        </text>
        {children}
      </svg>
    </figure>
  );
}
