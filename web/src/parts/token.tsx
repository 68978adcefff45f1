import { keepToken } from "../api";

/** Form for the service's token, which stays in this tab. */
export function TokenForm() {
  function onSubmit(event: SubmitEvent): void {
    event.preventDefault();
    const input = (event.currentTarget as HTMLFormElement).elements.namedItem("token") as HTMLInputElement;
    keepToken(input.value.trim());
    location.reload();
  }
  return (
    <section class="card narrow">
      <h1>This service wants a token</h1>
      <form onSubmit={onSubmit}>
        <label>
          Token
          <input name="token" type="password" autocomplete="off" required />
        </label>
        <button type="submit">Show the experiments</button>
      </form>
      <p class="quiet">
        <code>cellgate token new NAME --scope submit</code> makes one; <code>read</code> is enough to look. It is
        forgotten when this tab is closed.
      </p>
    </section>
  );
}
