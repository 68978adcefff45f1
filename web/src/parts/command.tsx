import { useRef, useState } from "preact/hooks";

/** A command with a button that copies it. */
export function Command({ text }: { text: string }) {
  const code = useRef<HTMLElement>(null);
  const [copied, setCopied] = useState(false);

  async function onCopy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // The clipboard is closed to pages that came over plain HTTP: what is marked can be copied by hand.
      if (code.current) getSelection()?.selectAllChildren(code.current);
    }
  }

  return (
    <span class="command-line">
      <code ref={code} title={text}>
        {text}
      </code>
      <button type="button" class="bare" onClick={() => void onCopy()}>
        {copied ? "Copied" : "Copy"}
        <span class="sr"> the command {text}</span>
      </button>
    </span>
  );
}
