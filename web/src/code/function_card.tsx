// One function of a data set: where it comes from, what the models say of it, and its source with its graph.

import { score } from "../format";
import { usePoll } from "../poll";
import type { FunctionWithGraph } from "../schemas";
import { FunctionView } from "./function_view";

export interface FunctionCardProps {
  dataset: string;
  row: number;
  /** Whose models' verdicts are wanted. */
  experiment?: string;
  onClose: () => void;
}

export function FunctionCard({ dataset, row, experiment, onClose }: FunctionCardProps) {
  const path = `/v1/datasets/${dataset}/functions/${row}${experiment ? `?experiment=${experiment}` : ""}`;
  const { value, trouble } = usePoll<FunctionWithGraph>(path, () => true);
  const name = value?.name ?? value?.id ?? `function ${row}`;
  return (
    <section class="card function" aria-label={`Function ${name}`}>
      <div class="head">
        <h3>
          <code>{name}</code>
        </h3>
        {value && (
          <>
            <span class={value.label === 1 ? "bad" : "good"}>{value.label === 1 ? "vulnerable" : "safe"}</span>
            <span class="quiet">
              {[value.cwe, value.project, value.split, `${value.lines} lines`, `graph ${value.graph_quality.replace("_", " ")}`]
                .filter(Boolean)
                .join(" · ")}
            </span>
          </>
        )}
        <button type="button" class="bare push" onClick={onClose}>
          Close<span class="sr"> {name}</span>
        </button>
      </div>
      {value === null && <p class="quiet tall">{trouble ?? "Loading…"}</p>}
      {value && value.predictions.length > 0 && (
        <ul class="verdicts">
          {value.predictions.map((one) => (
            <li key={`${one.cell}-${one.seed}`} class={(one.vulnerable ? 1 : 0) === value.label ? "right" : "wrong"}>
              <a class="plain" href={one.run ? `#/runs/${one.run}` : undefined}>
                {one.cell}·{one.seed}
              </a>{" "}
              {score(one.probability, 3)}
              <span class="sr">{(one.vulnerable ? 1 : 0) === value.label ? ", right" : ", wrong"}</span>
            </li>
          ))}
        </ul>
      )}
      {value?.predictions_missing && experiment && <p class="quiet">{value.predictions_missing}</p>}
      {value && <FunctionView source={value.source} graph={value.graph} missing={value.graph_missing} name={name} />}
    </section>
  );
}
