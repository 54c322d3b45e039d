export { TaskPage } from "./task-page.tsx";
export { TaskSearch } from "../task-data/task-search.ts";
