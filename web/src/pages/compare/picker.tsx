import { usePoll } from "../../poll";
import type { ExperimentSummary, Page } from "../../schemas";

export interface PickerProps {
  ids: string[];
  most: number;
  onIds: (ids: string[]) => void;
}

/** Which experiments are compared: each can be taken out, and others added. */
export function Picker({ ids, most, onIds }: PickerProps) {
  const { value } = usePoll<Page<ExperimentSummary>>("/v1/experiments?limit=100", () => true);
  const items = value?.items ?? [];
  const nameOf = (id: string) => items.find((one) => one.id === id)?.name ?? id;
  const others = items.filter((one) => !ids.includes(one.id));
  return (
    <div class="picker">
      {ids.map((id, place) => (
        <span key={id} class="picked" style={{ "--colour": `var(--line-${(place % 6) + 1})` }}>
          <a class="plain" href={`#/experiments/${id}`}>
            <bdi>{nameOf(id)}</bdi>
          </a>
          <button type="button" class="bare" onClick={() => onIds(ids.filter((other) => other !== id))} aria-label={`Take ${nameOf(id)} out`}>
            ×
          </button>
        </span>
      ))}
      {ids.length < most && (
        <select
          aria-label="Add an experiment"
          value=""
          onChange={(event) => event.currentTarget.value && onIds([...ids, event.currentTarget.value])}
        >
          <option value="">Add an experiment…</option>
          {others.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name} ({one.id.slice(-6)})
            </option>
          ))}
        </select>
      )}
    </div>
  );
}
