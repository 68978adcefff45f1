// Runs or experiments side by side: curves on common axes, settings that differ, scores, and whose errors.

import { lazily } from "../parts/lazy";
import { useQuery, useTitle } from "../router";
import { Picker } from "./compare/picker";

const Experiments = lazily(() => import("./compare/experiments").then((found) => found.ComparedExperiments));
const Runs = lazily(() => import("./compare/runs").then((found) => found.ComparedRunsView));
const MOST = 12;

export function ComparePage() {
  const [query, change] = useQuery();
  useTitle("Compare");
  const runs = idsOf(query.get("runs"), "run");
  const experiments = idsOf(query.get("experiments"), "exp");
  return (
    <>
      <div class="page-head">
        <h1>{runs.length > 0 ? "Compare runs" : "Compare experiments"}</h1>
      </div>
      {runs.length > 0 ? (
        <Runs key={runs.join()} ids={runs} />
      ) : (
        <>
          <Picker ids={experiments} most={MOST} onIds={(ids) => change({ experiments: ids.join(",") })} />
          {experiments.length > 0 && <Experiments key={experiments.join()} ids={experiments} />}
        </>
      )}
    </>
  );
}

/** Ids of one kind in a parameter; whatever is none is left out. */
function idsOf(text: string | null, kind: string): string[] {
  const wanted = new RegExp(`^${kind}_[0-9A-Z]{26}$`);
  return [...new Set((text ?? "").split(",").filter((id) => wanted.test(id)))].slice(0, MOST);
}
