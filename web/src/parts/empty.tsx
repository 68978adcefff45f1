import { Command } from "./command";

/** What a new installation shows: the way to a first answer. */
export function Empty() {
  return (
    <section class="card empty welcome">
      <h1>No experiment yet</h1>
      <p>An experiment answers one question: which model to ship for a data set of labelled functions.</p>
      <ol>
        <li>
          <p>Prepare a data set from a file of labelled functions:</p>
          <Command text="cellgate dataset add functions.jsonl --name mine --wait" />
        </li>
        <li>
          <p>
            Submit an experiment on it: <a href="#/new">here</a>, or
          </p>
          <Command text="cellgate submit examples/demo.yaml --dataset mine --watch" />
        </li>
      </ol>
    </section>
  );
}
