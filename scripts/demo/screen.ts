// The demo's picture: what the device sends on the left, what the operator sees on the right, the operator's line below. Plain text in, one frame out.
export interface Frame {
  readonly title: string;
  readonly left: readonly string[];
  readonly right: readonly string[];
  readonly footer: string;
}

const padTo = (line: string, width: number): string =>
  line.length > width ? `${line.slice(0, width - 1)}…` : line.padEnd(width);

/** The last lines of a pane, padded to its height. */
const pane = (lines: readonly string[], height: number): string[] => {
  const shown = lines.slice(-height);
  return [...shown, ...Array.from({ length: height - shown.length }, () => "")];
};

export const renderFrame = ({ footer, left, right, title }: Frame, columns: number, rows: number): string => {
  const leftWidth = Math.max(30, Math.floor(columns * 0.38));
  const rightWidth = Math.max(30, columns - leftWidth - 3);
  const height = Math.max(6, rows - 5);
  const leftPane = pane(left, height);
  const rightPane = right.slice(0, height);
  const body = leftPane.map(
    (line, index) => `${padTo(line, leftWidth)} │ ${padTo(rightPane[index] ?? "", rightWidth)}`,
  );
  const rule = `${"─".repeat(leftWidth)}─┼─${"─".repeat(rightWidth)}`;
  return [
    padTo(title, columns),
    `${padTo("the device sends (MQTT)", leftWidth)} │ ${padTo("the operator sees (Matrix)", rightWidth)}`,
    rule,
    ...body,
    padTo(footer, columns),
  ].join("\n");
};
