import { count } from "../format";
import type { Inspection } from "../schemas";

/** How a source was read: which column as what, what labels mean, what was left out, and examples. */
export function ReadingTables({ found }: { found: Inspection }) {
  const leftOut = found.left_out.reduce((sum, one) => sum + one.rows, 0);
  const splits = Object.entries(found.splits.found).map(([name, rows]) => `${name} ${count(rows)}`);
  return (
    <>
      <p>
        {found.layout ?? "No published layout"} is recognised. {count(found.rows)} rows in {count(found.files_total)} files:{" "}
        {count(found.functions)} functions, {count(found.vulnerable)} of them vulnerable; {count(leftOut)} rows left out.
      </p>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {["Field", "Read from", "Why", "Not used"].map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
              <th scope="col" class="number">
                Functions
              </th>
            </tr>
          </thead>
          <tbody>
            {found.fields.map((field) => (
              <tr key={field.field}>
                <th scope="row">{field.field}</th>
                <td>{field.columns.join(", ") || "–"}</td>
                <td>{field.why}</td>
                <td>{field.others.join(", ")}</td>
                <td class="number">{count(field.rows)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <ul>
        {found.labels.map((label) => (
          <li key={label.value}>
            label {label.value} means {label.meaning}: {count(label.rows)} rows
          </li>
        ))}
        <li>
          {count(found.pairs.pairs)} pairs{found.pairs.source && `, by ${found.pairs.source}`}; {count(found.groups.groups)}{" "}
          groups
        </li>
        <li>
          splits of the source: {splits.length > 0 ? `${splits.join(", ")} (${found.splits.used ? "used" : "not used"})` : "none"};
          ours: {found.splits.how}
        </li>
        {found.left_out.map((one) => (
          <li key={one.reason}>
            left out: {count(one.rows)} {one.reason}, {one.explanation} ({one.places.slice(0, 3).join("; ")})
          </li>
        ))}
      </ul>
      {found.samples.map((sample) => (
        <pre key={sample.where}>
          {`${sample.where}, label ${sample.target}\n${sample.func}`}
        </pre>
      ))}
    </>
  );
}
