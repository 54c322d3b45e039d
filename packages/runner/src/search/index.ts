/** Finds files of the workspace by name and by content. */
export { searchContents } from "./contents.ts";
export { searchNames } from "./names.ts";
export { findRipgrep } from "./ripgrep.ts";
