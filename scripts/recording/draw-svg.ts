import type { TextLine, TextRun } from "./parse-output.ts";

/** Draws a recorded terminal as an SVG that plays once and then shows its end. */

const fontSize = 14;
const lineHeight = 19;
/** The height of a line above its letters' feet. */
const baseline = 14;
const columnWidth = 8.43;
const padding = 18;
const titleHeight = 30;

export interface DrawingOptions {
  readonly title: string;
  readonly columns: number;
  /** The number of lines that are visible at once. */
  readonly rows: number;
}

export function drawSvg(output: readonly TextLine[], { title, columns, rows }: DrawingOptions): string {
  const width = Math.ceil(columns * columnWidth + 2 * padding);
  const height = titleHeight + rows * lineHeight + 2 * padding;
  const lines = output.flatMap((line) => wrapLine(line, columns));
  const body = lines.map((line, row) => drawLine(line, row * lineHeight + baseline)).join("\n");
  const top = titleHeight + padding;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escapeXml(title)}</title>
<style>
${createStyles(lines, rows)}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#1b1f27"/>
<circle cx="20" cy="16" r="5" fill="#3a4150"/><circle cx="38" cy="16" r="5" fill="#3a4150"/><circle cx="56" cy="16" r="5" fill="#3a4150"/>
<text class="title" x="${width / 2}" y="20" text-anchor="middle">${escapeXml(title)}</text>
<svg x="${padding}" y="${top}" width="${width - 2 * padding}" height="${rows * lineHeight}">
<g class="screen">
${body}
</g>
</svg>
</svg>
`;
}

/** Splits a line where a terminal of this width would. */
function wrapLine(line: TextLine, columns: number): TextLine[] {
  const rows: TextRun[][] = [[]];
  let room = columns;
  for (const run of line) {
    let { text } = run;
    while (text.length > room) {
      rows.at(-1)?.push({ ...run, text: text.slice(0, room) });
      rows.push([]);
      text = text.slice(room);
      room = columns;
    }
    rows.at(-1)?.push({ ...run, text });
    room -= text.length;
  }
  return rows;
}

function drawLine(line: TextLine, y: number): string {
  const spans = line.map((run) => {
    const delay = `animation-delay:${formatSeconds(run.time)}`;
    return `<tspan class="${getClasses(run)}" style="${delay}">${escapeXml(run.text)}</tspan>`;
  });
  return `<text y="${y}">${spans.join("")}</text>`;
}

const getClasses = ({ colour, bold, dim }: TextRun): string =>
  ["run", colour, bold && "bold", dim && "dim"].filter(Boolean).join(" ");

/** The screen moves up by a line whenever a line below the visible ones begins. */
function createStyles(lines: readonly TextLine[], rows: number): string {
  const end = Math.max(1, ...lines.flat().map(({ time }) => time));
  let latest = 0;
  const positions = new Map<string, number>();
  for (const [row, line] of lines.entries()) {
    latest = Math.max(latest, line[0]?.time ?? 0);
    const percent = ((100 * latest) / end).toFixed(2);
    positions.set(percent, Math.max(0, row + 1 - rows) * lineHeight);
  }
  const frames = [...positions].map(([percent, offset]) => `${percent}% { transform: translateY(-${offset}px) }`);
  return `text { font: ${fontSize}px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre; fill: #d5dae3 }
.title { fill: #8b94a5; font-size: 12px }
.run { animation: appear 1ms both }
.bold { font-weight: 700; fill: #ffffff } .dim { fill: #8b94a5 }
.red { fill: #ff8278 } .green { fill: #7ddc8f } .yellow { fill: #e8c46a } .cyan { fill: #6fcfe3 }
.screen { animation: scroll ${formatSeconds(end)} step-end both }
@keyframes appear { from { opacity: 0 } to { opacity: 1 } }
@keyframes scroll { 0% { transform: translateY(0) } ${frames.join(" ")} }
@media (prefers-reduced-motion: reduce) { .run { animation: none } .screen { animation-duration: 1ms } }`;
}

const formatSeconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)}s`;

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escapeXml = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? "");
