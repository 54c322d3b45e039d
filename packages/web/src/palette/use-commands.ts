import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useDeferredValue, useState } from "react";
import { listAdminSections } from "../admin/index.ts";
import { chooseOrganization, queries } from "../api/index.ts";
import { type Command, listPageCommands } from "./page-commands.ts";

const maxShown = 50;

/** Lists the commands and tasks whose name has all words of a text. */
export function useCommands(text: string): readonly Command[] {
  const navigate = useNavigate();
  const deferredText = useDeferredValue(text.trim());
  const { data: boards = [] } = useQuery(queries.boards);
  const { data: whoami } = useQuery(queries.whoami);
  const { data: tasks = [] } = useQuery({
    ...queries.foundTasks(deferredText),
    enabled: deferredText !== "",
    placeholderData: keepPreviousData,
  });
  const [pageCommands] = useState(listPageCommands);
  const commands: Command[] = [
    ...pageCommands,
    { id: "new-task", name: "New task", run: () => void navigate({ to: "/new" }) },
    ...boards.map(({ id, name }) => ({
      id,
      name: `Board: ${name}`,
      run: () => void navigate({ to: "/boards/$boardId", params: { boardId: id } }),
    })),
    { id: "fleet", name: "Fleet: runners, queue and engine", run: () => void navigate({ to: "/fleet" }) },
    { id: "usage", name: "Usage, cost and budgets", run: () => void navigate({ to: "/usage" }) },
    ...boards.map(({ id, name }) => ({
      id: `settings-${id}`,
      name: `Settings of ${name}`,
      run: () => void navigate({ to: "/boards/$boardId/settings", params: { boardId: id } }),
    })),
    ...(whoami?.organizations ?? [])
      .filter(({ id }) => id !== whoami?.organization.id)
      .map(({ id, name }) => ({
        id: `organization-${id}`,
        name: `Organization: ${name}`,
        run: () => chooseOrganization(id),
      })),
    { id: "me", name: "Me: logins and tokens", run: () => void navigate({ to: "/me" }) },
    { id: "account", name: "Me: passkeys and login providers", run: () => window.location.assign("/account") },
    ...listAdminSections(whoami?.permissions ?? []).map(({ id, name }) => ({
      id: `admin-${id}`,
      name: `Admin: ${name}`,
      run: () => void navigate({ to: "/admin/$section", params: { section: id } }),
    })),
  ];
  const words = deferredText.toLowerCase().split(/\s+/);
  const matches = ({ name }: Command) => words.every((word) => name.toLowerCase().includes(word));
  const found = deferredText === "" ? [] : tasks;
  return [
    ...commands.filter(matches),
    ...found.map(({ id, title }) => ({
      id,
      name: title,
      run: () => void navigate({ to: "/tasks/$taskId", params: { taskId: id } }),
    })),
  ].slice(0, maxShown);
}
