import { createRootRoute, createRoute, createRouter, redirect } from "@tanstack/react-router";
import { lazy } from "react";
import { AdminSearch, listAdminSections } from "./admin/index.ts";
import { queries } from "./api/index.ts";
import { BoardPage, BoardSearch } from "./board/index.ts";
import { FleetSearch, RunnerSearch } from "./fleet/fleet-search.ts";
import { NewTaskPage, NewTaskSearch } from "./new-task/index.ts";
import { queryClient } from "./query-client.ts";
import { Failure, NotFound, Shell } from "./shell/index.ts";
import { TaskPage, TaskSearch } from "./task/index.ts";
import { UsageSearch } from "./usage/usage-search.ts";

const FleetPage = lazy(async () => ({ default: (await import("./fleet/index.ts")).FleetPage }));
const RunnerPage = lazy(async () => ({ default: (await import("./fleet/index.ts")).RunnerPage }));
const UsagePage = lazy(async () => ({ default: (await import("./usage/index.ts")).UsagePage }));

const AdminPage = lazy(async () => ({ default: (await import("./admin/admin-page.tsx")).AdminPage }));
const MePage = lazy(async () => ({ default: (await import("./me/me-page.tsx")).MePage }));
const BoardSettingsPage = lazy(async () => ({
  default: (await import("./board-settings/board-settings-page.tsx")).BoardSettingsPage,
}));

const root = createRootRoute({ component: Shell, errorComponent: Failure, notFoundComponent: NotFound });

/** The first board of the person. */
const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: async () => {
    const [server, boards] = await Promise.all([
      queryClient.ensureQueryData(queries.server),
      queryClient.ensureQueryData(queries.boards),
    ]);
    const boardId = server.default_board_id ?? boards[0]?.id;
    if (boardId !== undefined) throw redirect({ to: "/boards/$boardId", params: { boardId }, replace: true });
  },
  component: () => <main>You have no board yet. Ask an admin to share one with you.</main>,
});

const board = createRoute({
  getParentRoute: () => root,
  path: "/boards/$boardId",
  validateSearch: BoardSearch,
  component: function Board() {
    const { boardId } = board.useParams();
    return <BoardPage key={boardId} boardId={boardId} search={board.useSearch()} />;
  },
});

const boardSettings = createRoute({
  getParentRoute: () => root,
  path: "/boards/$boardId/settings",
  component: function BoardSettings() {
    const { boardId } = boardSettings.useParams();
    return <BoardSettingsPage key={boardId} boardId={boardId} />;
  },
});

const newTask = createRoute({
  getParentRoute: () => root,
  path: "/new",
  validateSearch: NewTaskSearch,
  component: function NewTask() {
    return <NewTaskPage boardId={newTask.useSearch().board} />;
  },
});

const task = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$taskId",
  validateSearch: TaskSearch,
  component: function Task() {
    const { taskId } = task.useParams();
    return <TaskPage key={taskId} taskId={taskId} search={task.useSearch()} />;
  },
});

const fleet = createRoute({
  getParentRoute: () => root,
  path: "/fleet",
  validateSearch: FleetSearch,
  component: function Fleet() {
    return <FleetPage search={fleet.useSearch()} />;
  },
});

const runner = createRoute({
  getParentRoute: () => root,
  path: "/fleet/$runnerId",
  validateSearch: RunnerSearch,
  component: function Runner() {
    const { runnerId } = runner.useParams();
    return <RunnerPage key={runnerId} runnerId={runnerId} search={runner.useSearch()} />;
  },
});

const usage = createRoute({
  getParentRoute: () => root,
  path: "/usage",
  validateSearch: UsageSearch,
  component: function Usage() {
    return <UsagePage search={usage.useSearch()} />;
  },
});

const me = createRoute({ getParentRoute: () => root, path: "/me", component: MePage });

/** The first part of the administration. */
const adminHome = createRoute({
  getParentRoute: () => root,
  path: "/admin",
  beforeLoad: async () => {
    const { permissions } = await queryClient.ensureQueryData(queries.whoami);
    const section = listAdminSections(permissions)[0]?.id ?? "people";
    throw redirect({ to: "/admin/$section", params: { section }, replace: true });
  },
});

const admin = createRoute({
  getParentRoute: () => root,
  path: "/admin/$section",
  validateSearch: AdminSearch,
  component: function Admin() {
    return <AdminPage section={admin.useParams().section} search={admin.useSearch()} />;
  },
});

export const router = createRouter({
  routeTree: root.addChildren([home, board, boardSettings, newTask, task, fleet, runner, usage, me, adminHome, admin]),
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
