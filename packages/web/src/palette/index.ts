export { type Command, usePageCommands } from "./page-commands.ts";
export { Palette } from "./palette.tsx";
