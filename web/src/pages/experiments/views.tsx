// Views that a person saved in this browser: filters, sort, groups and columns under a name.

import { useState } from "preact/hooks";
import { Name } from "../../parts/name";
import { PopupMenu } from "../../parts/popup_menu";
import { savedPart } from "./view";

const KEY = "cellgate-views";

interface Saved {
  name: string;
  query: string;
}

export function Views({ query }: { query: URLSearchParams }) {
  const [views, setViews] = useState(read);
  const [name, setName] = useState("");
  const here = savedPart(query);

  function keep(now: Saved[]): void {
    setViews(now);
    try {
      localStorage.setItem(KEY, JSON.stringify(now));
    } catch {
      // A browser that keeps nothing has them until the page is left.
    }
  }

  function onSave(event: SubmitEvent): void {
    event.preventDefault();
    const wanted = name.trim();
    if (!wanted) return;
    keep([...views.filter((view) => view.name !== wanted), { name: wanted, query: here }]);
    setName("");
  }

  return (
    <PopupMenu title="Views">
      {views.length === 0 && <p class="quiet">None yet. A view keeps filters, sort, groups and columns.</p>}
      <ul>
        {views.map((view) => (
          <li key={view.name}>
            <a href={`#/experiments${view.query ? `?${view.query}` : ""}`} aria-current={view.query === here ? "true" : undefined}>
              <Name text={view.name} />
            </a>
            <button
              type="button"
              class="bare"
              aria-label={`Forget the view ${view.name}`}
              onClick={() => keep(views.filter((other) => other !== view))}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      <form onSubmit={onSave}>
        <label>
          Save what is shown as
          <input value={name} maxLength={60} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <button type="submit">Save</button>
      </form>
    </PopupMenu>
  );
}

function read(): Saved[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    if (!Array.isArray(found)) return [];
    return found.filter((one): one is Saved => typeof one?.name === "string" && typeof one?.query === "string");
  } catch {
    return [];
  }
}
