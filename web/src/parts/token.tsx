// The form for a service that wants a token, with the reason where one was refused.

import { useState } from "preact/hooks";
import { signIn } from "../me";

export interface SignInProps {
  /** Why the user is not signed in any more; null: nobody was. */
  reason: string | null;
}

/** Sign in for all tabs, with a token that the page does not keep. */
export function SignIn({ reason }: SignInProps) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);

  async function onSubmit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const input = (event.currentTarget as HTMLFormElement).elements.namedItem("token") as HTMLInputElement;
    setBusy(true);
    setTrouble(null);
    const refused = await signIn(input.value.trim());
    setBusy(false);
    if (refused === null) return;
    setTrouble(refused.detail);
    input.select();
  }

  return (
    <section class="card narrow">
      <h1>Sign in</h1>
      <p class={reason === null ? "quiet" : "waits nobody"}>
        {reason === null ? "This service wants a token." : sentence(reason)}
      </p>
      <form onSubmit={onSubmit}>
        <label>
          Token
          <input
            name="token"
            type="password"
            autocomplete="current-password"
            aria-describedby="refused"
            aria-invalid={trouble !== null}
            autofocus
            required
          />
        </label>
        <p id="refused" class="mistake" role="alert">
          {trouble !== null && `Not signed in: ${trouble}.`}
        </p>
        <button type="submit" class="primary" disabled={busy}>
          Sign in
        </button>
      </form>
      <p class="quiet">
        <code>cellgate token new NAME --scope submit</code> makes a token; the scope <code>read</code> is enough to look.
        All tabs share the session, and scripts of a page cannot read it.
      </p>
    </section>
  );
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
