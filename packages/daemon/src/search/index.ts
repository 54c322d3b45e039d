/** Search finds files of the workspace by name and by content. */
export { searchContents } from "./search-contents.ts";
export { searchNames } from "./search-names.ts";
export { findRipgrep } from "./ripgrep-locator.ts";
