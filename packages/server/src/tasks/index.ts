/** Boards and the tasks on them, and the task's state machine. */
export { Assignees } from "./assignees.ts";
export { BoardMembers } from "./board-members.ts";
export { Boards, lockBoard } from "./boards.ts";
export { type CommentRow, Comments, markCommentsSent, readOpenComments } from "./comments.ts";
export { TaskDependencies } from "./dependencies.ts";
export { Search } from "./search/search.ts";
export { SearchIndexing } from "./search/search-indexing.ts";
export { fillTemplate, Templates } from "./templates.ts";
export { type LockedTask, lockTask, moveTask, Tasks, type TaskRow } from "./tasks.ts";
