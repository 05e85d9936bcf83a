// Makes a picture of a terminal: plain text on standard input, an SVG on standard output.
//   tmux capture-pane -p | node scripts/picture.ts > docs/demo.svg
const FONT_PX = 14;
const CHAR_WIDTH = 8.43;
const LINE_HEIGHT = 19;
const MARGIN = 16;

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

export const terminalSvg = (text: string): string => {
  const lines = text.replace(/\n+$/, "").split("\n");
  const columns = Math.max(...lines.map((line) => [...line].length));
  const width = Math.ceil(columns * CHAR_WIDTH + 2 * MARGIN);
  const height = lines.length * LINE_HEIGHT + 2 * MARGIN;
  const spans = lines.map((line, index) => {
    const colour =
      index === 0 || index === lines.length - 1 ? "#8fd3ff" : index === 1 ? "#ffd479" : "#e6e6e6";
    return `<text x="${MARGIN}" y="${MARGIN + LINE_HEIGHT * (index + 0.75)}" fill="${colour}" xml:space="preserve">${escapeXml(line)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="${FONT_PX}">
<rect width="100%" height="100%" rx="10" fill="#14191f"/>
${spans.join("\n")}
</svg>
`;
};

if (import.meta.main) {
  let input = "";
  for await (const chunk of process.stdin) input += String(chunk);
  process.stdout.write(terminalSvg(input));
}
