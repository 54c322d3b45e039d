export { BoardStore } from "./board-store.ts";
export { type Card, isActive, type Question } from "./card.ts";
export { useBoard } from "./use-board.ts";
