// Options as dots with whiskers on one axis, against the thresholds. The table beside them has the same numbers.

import { optionName, score } from "../format";
import type { Option, OptionEvidence, Policy } from "../schemas";

const TICKS = 5;

export function Whiskers(props: { options: OptionEvidence[]; policy: Policy; chosen: Option | null }) {
  const { options, policy, chosen } = props;
  const marks = [
    { at: policy.gate_f1, name: "gate" },
    { at: policy.skip_fusion_f1, name: "skip fusion" },
  ];
  const ends = options.flatMap(({ f1_interval, f1_per_seed }) => [f1_interval.low, f1_interval.high, ...f1_per_seed]);
  const near = marks.map((mark) => mark.at).filter((at) => at > Math.min(...ends) - 0.15 && at < Math.max(...ends) + 0.15);
  const low = Math.max(0, floorTo(Math.min(...ends, ...near) - 0.005));
  const high = Math.min(1, ceilTo(Math.max(...ends, ...near) + 0.005));
  const x = (value: number) => `${(100 * (value - low)) / (high - low)}%`;
  const shown = marks.filter((mark) => mark.at >= low && mark.at <= high);
  const ticks = Array.from({ length: TICKS }, (_, index) => low + ((high - low) * index) / (TICKS - 1));
  return (
    <figure class="whiskers" aria-label="F1 of every option with its interval">
      <div class="whisker-row axis-top" aria-hidden="true">
        <span />
        <div class="track">
          {shown.map((mark) => (
            <span key={mark.name} class="mark-name" style={{ left: x(mark.at) }}>
              {mark.name} {mark.at.toFixed(2)}
            </span>
          ))}
        </div>
        <span />
      </div>
      {options.map((option) => (
        <div key={option.option} class={option.option === chosen ? "whisker-row chosen" : "whisker-row"}>
          <span class="name">{optionName(option.option)}</span>
          <div class="track" aria-hidden="true">
            {shown.map((mark) => (
              <span key={mark.name} class="threshold" style={{ left: x(mark.at) }} />
            ))}
            <span
              class="whisker"
              style={{
                left: x(option.f1_interval.low),
                width: `${(100 * (option.f1_interval.high - option.f1_interval.low)) / (high - low)}%`,
              }}
            />
            {option.f1_per_seed.map((f1, index) => (
              <span key={index} class="seed-dot" style={{ left: x(f1) }} />
            ))}
            <span class="dot" style={{ left: x(option.f1) }} />
          </div>
          <span class="value">{score(option.f1)}</span>
        </div>
      ))}
      <div class="whisker-row axis" aria-hidden="true">
        <span />
        <div class="track">
          {ticks.map((tick) => (
            <span key={tick} class="tick" style={{ left: x(tick) }}>
              {tick.toFixed(2)}
            </span>
          ))}
        </div>
        <span />
      </div>
      <figcaption class="quiet small">
        Large dot: mean over seeds. Bar: 95 % interval. Small dots: seeds. Dashed lines: thresholds.
      </figcaption>
    </figure>
  );
}

function floorTo(value: number): number {
  return Math.floor(value * 50) / 50;
}

function ceilTo(value: number): number {
  return Math.ceil(value * 50) / 50;
}
