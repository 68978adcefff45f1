// Functions that the first experiment calls wrongly and another does not, and the reverse.

import { useState } from "preact/hooks";
import { FunctionCard } from "../../code/function_card";
import { count, optionName } from "../../format";
import type { ErrorsOfOptions, Experiment, Option } from "../../schemas";
import { useAll } from "./read_all";

const MOST = 500;
const SHOWN = 40;
type Item = ErrorsOfOptions["items"][number];

export function ErrorsOfBoth({ experiments }: { experiments: Experiment[] }) {
  const [first, second] = experiments as [Experiment, Experiment];
  const same = first.dataset === second.dataset;
  return (
    <section class="card" aria-labelledby="errors">
      <div class="head">
        <h2 id="errors">Errors that one makes and the other does not</h2>
        <span class="quiet">
          {first.name} and {second.name}
        </span>
      </div>
      {same ? (
        <Both key={`${first.id}${second.id}`} first={first} second={second} />
      ) : (
        <p class="quiet">They were judged on two data sets: no function is in both.</p>
      )}
    </section>
  );
}

function Both({ first, second }: { first: Experiment; second: Experiment }) {
  const [option, setOption] = useState<Option>("ensemble");
  const [open, setOpen] = useState<number | null>(null);
  const weighed = [first, second].map((one) =>
    one.jobs.some((job) => job.step?.startsWith("54-") && job.state === "succeeded")
      ? `/v1/experiments/${one.id}/errors?option=${option}&limit=${MOST}`
      : null,
  );
  const [mine, theirs] = useAll<ErrorsOfOptions>(weighed, () => true);
  const options = mine?.options.map((one) => one.option).filter((one) => theirs?.options.some((other) => other.option === one)) ?? [];
  if (!mine || !theirs) return <p class="quiet tall">Not known: single verdicts are kept once cell 54 has weighed both.</p>;
  const rows = (found: ErrorsOfOptions) => new Set(found.items.map((item) => item.row));
  const [wrongHere, wrongThere] = [rows(mine), rows(theirs)];
  const onlyFirst = mine.items.filter((item) => !wrongThere.has(item.row));
  const onlySecond = theirs.items.filter((item) => !wrongHere.has(item.row));
  const cut = mine.next !== null || theirs.next !== null;
  return (
    <>
      <label class="field-row">
        Option{" "}
        <select value={option} onChange={(event) => setOption(event.currentTarget.value as Option)}>
          {options.map((one) => (
            <option key={one} value={one}>
              {optionName(one)}
            </option>
          ))}
        </select>{" "}
        <span class="quiet">
          {count(mine.items.length - onlyFirst.length)} wrong in both{cut && `; of the first ${count(MOST)} errors of each`}
        </span>
      </label>
      <div class="two">
        <Only title={`Only ${first.name}`} items={onlyFirst} onOpen={setOpen} />
        <Only title={`Only ${second.name}`} items={onlySecond} onOpen={setOpen} />
      </div>
      {open !== null && <FunctionCard key={open} dataset={mine.dataset} row={open} experiment={first.id} onClose={() => setOpen(null)} />}
    </>
  );
}

function Only({ title, items, onOpen }: { title: string; items: Item[]; onOpen: (row: number) => void }) {
  return (
    <div>
      <h3>
        <bdi>{title}</bdi> <span class="quiet">{count(items.length)}</span>
      </h3>
      <ul class="function-list">
        {items.slice(0, SHOWN).map((item) => (
          <li key={item.row}>
            <button type="button" class="bare link" onClick={() => onOpen(item.row)}>
              <code>{item.name ?? item.id}</code>
            </button>{" "}
            <span class="quiet">
              {item.label === 1 ? "missed" : "false alarm"}
              {item.cwe && ` · ${item.cwe}`}
            </span>
          </li>
        ))}
      </ul>
      {items.length > SHOWN && <p class="quiet">and {count(items.length - SHOWN)} more</p>}
    </div>
  );
}
