/** Boards and the tasks on them, and the task's state machine. */
export { BoardMembers } from "./board-members.ts";
export { Boards, lockBoard } from "./boards.ts";
export { TaskDependencies } from "./dependencies.ts";
export { type LockedTask, lockTask, moveTask, Tasks, type TaskRow } from "./tasks.ts";
