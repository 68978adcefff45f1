// The whole request as YAML or JSON, for every field that the form does not have.

import { useEffect, useState } from "preact/hooks";
import { type Document, isObject } from "./document";

type Yaml = typeof import("yaml");

export interface AdvancedProps {
  document: Document;
  open: boolean;
  onToggle: (open: boolean) => void;
  onEdit: (document: Document) => void;
}

export function Advanced({ document, open, onToggle, onEdit }: AdvancedProps) {
  const [yaml, setYaml] = useState<Yaml | null>(null);
  const [typed, setTyped] = useState<string | null>(null);
  const [mistake, setMistake] = useState<string | null>(null);
  // Few open it: the parser is fetched for them alone.
  useEffect(() => {
    if (open && yaml === null) void import("yaml").then(setYaml);
  }, [open]);

  function onInput(text: string): void {
    setTyped(text);
    if (yaml === null) return;
    try {
      const found: unknown = yaml.parse(text);
      if (!isObject(found)) throw new Error("expected the fields of an experiment, such as `name: …`");
      setMistake(null);
      onEdit(found);
    } catch (error) {
      setMistake(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
    }
  }

  return (
    <details class="advanced" open={open} onToggle={(event) => onToggle(event.currentTarget.open)}>
      <summary>All fields, as YAML or JSON</summary>
      <label>
        <span class="quiet">
          Every field and its default: <a href="/docs">API reference</a>. What is left out has its default.
        </span>
        <textarea
          name="spec"
          rows={18}
          spellcheck={false}
          aria-label="The whole request as YAML or JSON"
          aria-invalid={mistake !== null}
          aria-describedby="spec-mistake"
          value={typed ?? yaml?.stringify(document) ?? ""}
          onInput={(event) => onInput(event.currentTarget.value)}
          onBlur={() => mistake === null && setTyped(null)}
        />
      </label>
      <p id="spec-mistake" class="mistake">
        {mistake}
      </p>
    </details>
  );
}
