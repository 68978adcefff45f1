// Whose errors: by option, by weakness and project, function by function, each with its source and graph.

import { useState } from "preact/hooks";
import { Choice } from "../../charts/view";
import { FunctionCard } from "../../code/function_card";
import { count, optionName, score } from "../../format";
import { usePoll } from "../../poll";
import { useQuery } from "../../router";
import type { ErrorsOfOptions, Experiment, Option } from "../../schemas";
import { OPTION_COLOURS } from "./quality";

const PAGE = 50;
type Kind = "all" | "false_positive" | "false_negative";
type ByOption = ErrorsOfOptions["options"][number];

export function ErrorsTab({ experiment, weighed }: { experiment: Experiment; weighed: boolean }) {
  const [query, change] = useQuery();
  const [after, setAfter] = useState<string[]>([]);
  const option = query.get("option");
  const kind = (query.get("kind") ?? "all") as Kind;
  const wanted = [
    `limit=${PAGE}`,
    option ? `option=${encodeURIComponent(option)}` : "",
    kind === "all" ? "" : `kind=${kind}`,
    after.length > 0 ? `after=${after.at(-1)}` : "",
  ].filter(Boolean);
  const path = `/v1/experiments/${experiment.id}/errors?${wanted.join("&")}`;
  const { value, trouble } = usePoll<ErrorsOfOptions>(weighed ? path : null, () => true);
  const choose = (changes: Record<string, string | null>) => {
    setAfter([]);
    change(changes);
  };
  if (!value) {
    return (
      <section class="card tall" aria-labelledby="errors">
        <h2 id="errors">Whose errors</h2>
        <p class="quiet">{weighed ? (trouble ?? "Loading…") : "Not known yet: cell 54 weighs the options once the seeds have finished."}</p>
      </section>
    );
  }
  const shown = value.options.find((one) => one.option === option) ?? null;
  const open = query.get("function");
  return (
    <>
      <section class="card" aria-labelledby="errors">
        <div class="head">
          <h2 id="errors">Whose errors</h2>
          <span class="quiet">
            on {count(value.rows)} functions of the gate split, {count(value.positives)} vulnerable; all seeds of an option together
          </span>
        </div>
        <ByOptions options={value.options} chosen={option} onChoose={(one) => choose({ option: one })} />
        <div class="by-slices">
          <Slices title="By weakness" options={shown ? [shown] : value.options} pick={(one) => one.by_cwe} />
          <Slices title="By project" options={shown ? [shown] : value.options} pick={(one) => one.by_project} />
        </div>
      </section>
      <section class="card" aria-labelledby="wrong">
        <div class="head">
          <h2 id="wrong">Functions called wrongly{shown && ` by ${optionName(shown.option).toLowerCase()}`}</h2>
          <Choice<Kind>
            name="Kind of error"
            options={[
              { value: "all", text: "All", disabled: false },
              { value: "false_negative", text: "Missed", disabled: false },
              { value: "false_positive", text: "False alarms", disabled: false },
            ]}
            chosen={kind}
            onChoose={(next) => choose({ kind: next === "all" ? null : next })}
          />
        </div>
        <Functions items={value.items} options={value.options.map((one) => one.option)} onOpen={(row) => change({ function: String(row) }, "push")} />
        <Pages onBack={after.length > 0 ? () => setAfter(after.slice(0, -1)) : null} onNext={value.next ? () => setAfter([...after, value.next as string]) : null} />
      </section>
      {open !== null && /^\d+$/.test(open) && (
        <FunctionCard key={open} dataset={value.dataset} row={Number(open)} experiment={experiment.id} onClose={() => change({ function: null })} />
      )}
    </>
  );
}

function ByOptions(props: { options: ByOption[]; chosen: string | null; onChoose: (option: string | null) => void }) {
  const { options, chosen, onChoose } = props;
  const most = Math.max(1, ...options.map((one) => one.false_negatives + one.false_positives));
  return (
    <table class="error-bars">
      <thead>
        <tr>
          <th scope="col">Option</th>
          <th scope="col" class="number">
            Missed
          </th>
          <th scope="col" class="number">
            False alarms
          </th>
          <th scope="col">
            <span class="sr">As bars</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {options.map((one) => (
          <tr key={one.option} class={one.option === chosen ? "chosen" : undefined}>
            <th scope="row">
              <button
                type="button"
                class="bare"
                aria-pressed={one.option === chosen}
                onClick={() => onChoose(one.option === chosen ? null : one.option)}
              >
                {optionName(one.option)}
              </button>
            </th>
            <td class="number">{count(one.false_negatives)}</td>
            <td class="number">{count(one.false_positives)}</td>
            <td>
              <span class="bars" aria-hidden="true" style={{ color: `var(${OPTION_COLOURS[one.option]})` }}>
                <span class="missed" style={{ width: `${(100 * one.false_negatives) / most}%` }} />
                <span class="alarms" style={{ width: `${(100 * one.false_positives) / most}%` }} />
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const MOST_SLICES = 10;

function Slices(props: { title: string; options: ByOption[]; pick: (one: ByOption) => ByOption["by_cwe"] }) {
  const { title, options, pick } = props;
  const names = new Map<string, { rows: number; errors: Map<Option, number>; total: number }>();
  for (const one of options) {
    for (const slice of pick(one)) {
      const found = names.get(slice.value) ?? { rows: slice.rows, errors: new Map<Option, number>(), total: 0 };
      const errors = slice.false_negatives + slice.false_positives;
      found.errors.set(one.option, errors);
      found.total += errors;
      names.set(slice.value, found);
    }
  }
  const worst = [...names].sort(([, one], [, other]) => other.total / other.rows - one.total / one.rows).slice(0, MOST_SLICES);
  if (worst.length === 0) return null;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={title}>
      <table class="heat">
        <caption>
          {title}
          {names.size > worst.length && <span class="quiet">, the worst {worst.length} of {names.size}</span>}
        </caption>
        <thead>
          <tr>
            <th scope="col">{title.replace("By ", "").replace(/^./, (first) => first.toUpperCase())}</th>
            <th scope="col" class="number">
              Functions
            </th>
            {options.map((one) => (
              <th key={one.option} scope="col" class="number">
                {optionName(one.option)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {worst.map(([name, { rows, errors }]) => (
            <tr key={name}>
              <th scope="row">{name || "not known"}</th>
              <td class="number">{count(rows)}</td>
              {options.map(({ option }) => {
                const found = errors.get(option) ?? 0;
                return (
                  <td key={option} class="number" style={{ "--share": Math.min(1, found / rows) }}>
                    {found === 0 ? "0" : `${found} · ${((100 * found) / rows).toFixed(0)} %`}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Functions(props: { items: ErrorsOfOptions["items"]; options: Option[]; onOpen: (row: number) => void }) {
  const { items, options, onOpen } = props;
  if (items.length === 0) return <p class="quiet">None.</p>;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Functions called wrongly">
      <table class="functions">
        <thead>
          <tr>
            <th scope="col">Function</th>
            <th scope="col">Is</th>
            <th scope="col">Weakness</th>
            <th scope="col">Project</th>
            {options.map((option) => (
              <th key={option} scope="col" class="number">
                {optionName(option)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={item.row}>
              <th scope="row">
                <button type="button" class="bare link" onClick={() => onOpen(item.row)}>
                  <code>{item.name ?? item.id}</code>
                </button>
              </th>
              <td>{item.label === 1 ? "vulnerable" : "safe"}</td>
              <td>{item.cwe ?? "–"}</td>
              <td>{item.project ?? "–"}</td>
              {options.map((option) => {
                const wrong = item.wrong.includes(option);
                return (
                  <td key={option} class={wrong ? "number wrong" : "number"}>
                    {score(item.probability[option], 3)}
                    {wrong && <span class="sr">, wrong</span>}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Pages({ onBack, onNext }: { onBack: (() => void) | null; onNext: (() => void) | null }) {
  if (!onBack && !onNext) return null;
  return (
    <div class="pages">
      <button type="button" disabled={!onBack} onClick={() => onBack?.()}>
        Before
      </button>
      <button type="button" disabled={!onNext} onClick={() => onNext?.()}>
        Next
      </button>
    </div>
  );
}
