export { Field } from "./field.tsx";
export { NewTaskPage } from "./new-task-page.tsx";
export { NewTaskSearch } from "./new-task-search.ts";
