// The LR range test of one run: loss over the rates that were tried, and the rate that was chosen.

import { useMemo, useState } from "preact/hooks";
import { Chart } from "../../charts/chart";
import type { Mark, Series } from "../../charts/series";
import { cellName, scientific } from "../../format";
import { usePoll } from "../../poll";
import type { LrFinderCurve, Run } from "../../schemas";

export function LrFinder({ runs }: { runs: Run[] }) {
  const known = runs.filter((run) => run.attempt > 0);
  const [chosen, setChosen] = useState<string | null>(null);
  const run = known.find((one) => one.id === chosen) ?? known[0];
  const { value, trouble } = usePoll<LrFinderCurve>(run ? `/v1/runs/${run.id}/lr-finder` : null, () => true, 60);
  const { series, marks } = useMemo(() => drawn(value), [value]);
  return (
    <div>
      <Chart title="LR range test" series={series} marks={marks} xAxis="rate" digits={4} />
      <p class="small finder">
        {known.length > 1 && (
          <select aria-label="Run of the LR range test" value={run?.id} onChange={(event) => setChosen(event.currentTarget.value)}>
            {known.map((one) => (
              <option key={one.id} value={one.id}>
                {cellName(one.cell)}, seed {one.seed}
              </option>
            ))}
          </select>
        )}{" "}
        <span class="quiet">{value ? `${value.chosen.source}: ${value.chosen.why}` : (trouble ?? "")}</span>
      </p>
    </div>
  );
}

function drawn(found: LrFinderCurve | null): { series: Series[]; marks: Mark[] } {
  if (found === null) return { series: [], marks: [] };
  const line = (label: string, colour: string, dash: number, values: (number | null)[]): Series => {
    const kept = found.rates.flatMap((rate, place) => {
      const value = values[place];
      return value == null ? [] : [{ rate, value }];
    });
    return { label, colour, dash, x: kept.map((one) => one.rate), values: kept.map((one) => one.value), points: kept.length };
  };
  const { rate } = found.chosen;
  return {
    series: [line("loss", "--line-5", 0, found.losses), line("smoothed", "--line-1", 0, found.smoothed)],
    marks: [{ x: rate, name: scientific(rate), tone: "idle" }],
  };
}
