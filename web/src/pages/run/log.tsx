// The live log: only the lines in sight are drawn; it follows the end until somebody scrolls up.

import Anser from "anser";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { save } from "../../api";
import { count } from "../../format";
import { useVirtual } from "../../parts/virtual";
import { visible } from "../../visible";
import { useOutput } from "./output";

const LINE = 18;
const AT_END = 24;
// The page shows control characters as text; those that begin a colour are given back to be read.
const ESCAPE = /\\x1b\[/g;

export interface LogProps {
  path: string | null;
  id: string;
  /** Whether nothing more will be printed. */
  over: boolean;
}

export function Log({ path, id, over }: LogProps) {
  const { lines, dropped, read } = useOutput(path);
  const [search, setSearch] = useState("");
  const [wrap, setWrap] = useState(false);
  const [follow, setFollow] = useState(true);
  const [trouble, setTrouble] = useState<string | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const shown = lines.at(-1) === "" ? lines.length - 1 : lines.length;
  const hits = useMemo(() => found(lines, search), [lines, search]);
  const [hit, setHit] = useState(0);
  const rows = useVirtual(box, shown, LINE, wrap);

  useEffect(() => {
    if (follow && shown > 0) rows.scrollToIndex(shown - 1, { align: "end" });
  }, [shown, follow, wrap]);

  function onScroll(): void {
    const element = box.current;
    if (element) setFollow(element.scrollHeight - element.scrollTop - element.clientHeight < AT_END);
  }

  function goTo(next: number): void {
    if (hits.length === 0) return;
    const place = (next + hits.length) % hits.length;
    setFollow(false);
    setHit(place);
    rows.scrollToIndex(hits[place] as number, { align: "center" });
  }

  const marked = hits[hit];
  return (
    <section class="card" aria-labelledby="log">
      <div class="head">
        <h2 id="log">Output</h2>
        <span class="quiet">
          {count(shown)} lines{dropped > 0 && `, ${count(dropped)} before them are in the file`}
        </span>
        <form class="log-tools" role="search" onSubmit={(event) => (event.preventDefault(), goTo(hit + 1))}>
          <input type="search" aria-label="Search the output" placeholder="Search" value={search} onInput={(event) => (setSearch(event.currentTarget.value), setHit(0))} />
          <span class="quiet hits" role="status">
            {search === "" ? "" : hits.length === 0 ? "not found" : `${hit + 1} of ${count(hits.length)}`}
          </span>
          <button type="button" disabled={hits.length === 0} onClick={() => goTo(hit - 1)} aria-label="Hit before">
            ↑
          </button>
          <button type="submit" disabled={hits.length === 0} aria-label="Next hit">
            ↓
          </button>
          <label class="check">
            <input type="checkbox" checked={follow} onChange={(event) => setFollow(event.currentTarget.checked)} />
            Follow
          </label>
          <label class="check">
            <input type="checkbox" checked={wrap} onChange={(event) => setWrap(event.currentTarget.checked)} />
            Wrap
          </label>
          <button type="button" disabled={path === null} onClick={async () => setTrouble(await save(`${path}/logs`, `${id}.log`))}>
            Download
          </button>
        </form>
      </div>
      {trouble && <p role="alert">{trouble}</p>}
      <div class={["log", wrap ? "wrapped" : "", over && read && shown === 0 ? "none" : ""].join(" ").trim()} ref={box} tabIndex={0} role="log" aria-live="off" aria-label="Output of the trainer" onScroll={onScroll}>
        {shown === 0 && <p class="quiet">{read ? "The trainer has printed nothing." : "Loading…"}</p>}
        <div class="log-sheet" style={{ height: `${rows.getTotalSize()}px` }}>
          {rows.getVirtualItems().map((row) => (
            <div
              key={row.key}
              ref={wrap ? rows.measureElement : undefined}
              data-index={row.index}
              class={row.index === marked && search !== "" ? "line hit" : "line"}
              style={{ transform: `translateY(${row.start}px)` }}
            >
              <Line text={lines[row.index] ?? ""} />
            </div>
          ))}
        </div>
      </div>
    </section>
  );
}

function Line({ text }: { text: string }) {
  if (!text.includes("\\x1b[")) return <>{text || " "}</>;
  const spans = Anser.ansiToJson(text.replace(ESCAPE, "\u001b["), { use_classes: true, remove_empty: true });
  return (
    <>
      {spans.map((span, place) => (
        <span key={place} class={[span.fg, span.bg && `${span.bg}-bg`, ...(span.decorations ?? []).map((one) => `ansi-${one}`)].filter(Boolean).join(" ")}>
          {visible(span.content)}
        </span>
      ))}
    </>
  );
}

/** Places of the lines that hold the text, in upper or lower case. */
function found(lines: string[], search: string): number[] {
  if (search === "") return [];
  const wanted = search.toLowerCase();
  return lines.flatMap((line, place) => (line.toLowerCase().includes(wanted) ? [place] : []));
}
