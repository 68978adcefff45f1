import { score } from "../../format";
import type { Estimate } from "../../schemas";

/** A cell of a table: an estimate with its interval. */
export function Estimated({ value, digits }: { value: Estimate; digits: number }) {
  return (
    <td class="number">
      <strong>{score(value.mean, digits)}</strong>{" "}
      <small>
        {score(value.interval.low, digits)} to {score(value.interval.high, digits)}
      </small>
    </td>
  );
}
