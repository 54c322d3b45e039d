export { BoardPage } from "./board-page.tsx";
export { BoardSearch } from "./board-search.ts";
