// What a run leaves and was given: files, environment, config. Each is read when it is opened.

import { useState } from "preact/hooks";
import { save } from "../../api";
import { count } from "../../format";
import { usePoll } from "../../poll";
import type { Artifact, Job, Run } from "../../schemas";
import { asYaml } from "../experiment/snippets";
import { Fact } from "./head";

export function Belongings({ run, job }: { run: Run; job: Job | null }) {
  const [open, setOpen] = useState(false);
  return (
    <section class="card" aria-labelledby="belongings">
      <h2 id="belongings">Files, environment, config</h2>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>Files of its last attempt</summary>
        {open && <Files run={run} />}
      </details>
      <details>
        <summary>Environment</summary>
        <Environment run={run} />
      </details>
      <details>
        <summary>Config of its cell</summary>
        <pre class="command" tabIndex={0}>
          {job ? asYaml(job.spec) : "Loading…"}
        </pre>
      </details>
    </section>
  );
}

function Files({ run }: { run: Run }) {
  const [trouble, setTrouble] = useState<string | null>(null);
  const path = `/v1/runs/${run.id}/artifacts`;
  const { value } = usePoll<Artifact[]>(path, () => true);
  if (value === null) return <p class="quiet">Loading…</p>;
  if (value.length === 0) return <p class="quiet">It has left none.</p>;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Files">
      {trouble && <p role="alert">{trouble}</p>}
      <table>
        <thead>
          <tr>
            <th scope="col">File</th>
            <th scope="col" class="number">
              Bytes
            </th>
            <th scope="col">SHA-256</th>
          </tr>
        </thead>
        <tbody>
          {value.map((file) => (
            <tr key={file.name}>
              <th scope="row">
                <button
                  type="button"
                  class="bare link"
                  onClick={async () =>
                    setTrouble(await save(`${path}/${file.name.split("/").map(encodeURIComponent).join("/")}`, file.name.split("/").at(-1) ?? file.name))
                  }
                >
                  {file.name}
                </button>
              </th>
              <td class="number">{count(file.size)}</td>
              <td>
                <code>{file.sha256.slice(0, 16)}…</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Environment({ run }: { run: Run }) {
  const found = run.result?.environment;
  if (!found) return <p class="quiet">It is recorded with the result.</p>;
  const { packages, ...facts } = found;
  return (
    <>
      <dl class="facts">
        {Object.entries(facts).map(([name, value]) => (
          <Fact key={name} name={name.replaceAll("_", " ")}>
            {String(value)}
          </Fact>
        ))}
      </dl>
      <p class="quiet small">
        {Object.entries(packages ?? {})
          .map(([name, version]) => `${name} ${version}`)
          .join(", ")}
      </p>
    </>
  );
}
