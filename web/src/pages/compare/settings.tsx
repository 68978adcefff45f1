// Settings that differ, and only those.

type Json = unknown;

export interface SettingsProps {
  /** The columns' names. */
  names: string[];
  /** Of each setting the values in the order of the columns; undefined where there is none. */
  rows: [string, Json[]][];
}

export function Settings({ names, rows }: SettingsProps) {
  if (rows.length === 0) return <p class="quiet">No setting differs.</p>;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Settings that differ">
      <table class="differences">
        <thead>
          <tr>
            <th scope="col">Setting</th>
            {names.map((name, place) => (
              <th key={place} scope="col">
                <bdi class="column-name">{name}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([pointer, values]) => (
            <tr key={pointer}>
              <th scope="row">
                <code>{pointer.replace(/^\//, "").replaceAll("/", ".")}</code>
              </th>
              {values.map((value, place) => (
                <td key={place} class={JSON.stringify(value) === JSON.stringify(values[0]) ? "quiet" : undefined}>
                  <code>{value === undefined || value === null ? "–" : JSON.stringify(value)}</code>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Return the settings of which not all have the same value, by pointer. */
export function differing(specs: Json[]): [string, Json[]][] {
  const flat = specs.map((spec) => new Map(leaves(spec, "")));
  const pointers = [...new Set(flat.flatMap((one) => [...one.keys()]))].sort();
  return pointers
    .map((pointer): [string, Json[]] => [pointer, flat.map((one) => one.get(pointer))])
    .filter(([, values]) => new Set(values.map((value) => JSON.stringify(value ?? null))).size > 1);
}

function leaves(value: Json, pointer: string): [string, Json][] {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [[pointer, value]];
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, `${pointer}/${name}`));
}
