// Text of others made safe to show; the same characters as in cellgate/contract/visible.py.

const HIDDEN = new RegExp(
  "[" +
    "\\u{0}-\\u{8}\\u{b}-\\u{1f}\\u{7f}-\\u{9f}" +
    "\\u{ad}\\u{34f}\\u{61c}\\u{115f}\\u{1160}\\u{17b4}\\u{17b5}\\u{180b}-\\u{180f}" +
    "\\u{200b}-\\u{200f}\\u{2028}-\\u{202e}\\u{2060}-\\u{206f}" +
    "\\u{3164}\\u{fe00}-\\u{fe0d}\\u{feff}\\u{ffa0}\\u{fff0}-\\u{fffb}\\u{fffe}\\u{ffff}" +
    "\\u{d800}-\\u{dfff}" +
    "\\u{13430}-\\u{1343f}\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}" +
    "]",
  "gu",
);

/** Show every control and invisible character as an escape, such as `\x1b` or `\u202e`; tabs and line feeds stay. */
export function visible(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(HIDDEN, (found) => {
    const code = found.codePointAt(0) ?? 0;
    const digits = code.toString(16);
    if (code <= 0xff) return `\\x${digits.padStart(2, "0")}`;
    return code <= 0xffff ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
  });
}

/** Return what JSON says, every text in it made safe to show; names of members stay, ids have no such characters. */
export function readJson(text: string): unknown {
  return JSON.parse(text, (_, value: unknown) => (typeof value === "string" ? visible(value) : value));
}
