import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { Readable, Writable } from "node:stream";
import {
  agent,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  RequestError,
  type AgentContext,
  type ClientCapabilities,
  type PromptResponse,
  type SessionModeState,
} from "@agentclientprotocol/sdk";
import { Client } from "../client.ts";
import { History, PermissionMode, modes, Session } from "../session/index.ts";
import { toRequestError } from "./failure.ts";
import { formatPrompt } from "./prompt-text.ts";

interface AgentProgram {
  readonly name: string;
  readonly title: string;
  readonly version: string;
  /** Sessions are kept in this folder. */
  readonly sessions: string;
  /** Throws if a setting is missing, so that the user sees the error before the first prompt. */
  check(): void;
  turn(session: Session, prompt: string, signal: AbortSignal): Promise<PromptResponse>;
}

function checkFolder(cwd: string): void {
  const stats = isAbsolute(cwd) ? statSync(cwd, { throwIfNoEntry: false }) : undefined;
  if (!stats?.isDirectory())
    throw RequestError.invalidParams({ cwd }, `cwd must be the absolute path of a folder, and '${cwd}' is not`);
}

const runGuarded = async <T>(work: () => T | Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw toRequestError(error);
  }
};

/**
 * Serves a program to one client over stdio until the client closes the connection, then ends the
 * open sessions.
 */
export async function serveAgent(program: AgentProgram): Promise<void> {
  const sessions = new Map<string, Session>();
  let capabilities: ClientCapabilities = {};

  const addSession = (
    id: string,
    history: History,
    { cwd, context }: { cwd: string; context: AgentContext },
  ): Session => {
    const session = new Session(id, { cwd, history, client: new Client(context, id, capabilities) });
    sessions.set(id, session);
    return session;
  };
  const getSession = (id: string): Session => {
    const session = sessions.get(id);
    if (!session) throw RequestError.resourceNotFound(`session ${id}`);
    return session;
  };
  const getModeState = (session: Session): SessionModeState => ({
    currentModeId: session.permissions.mode,
    availableModes: modes,
  });

  const connection = agent({ name: program.name })
    .onRequest(methods.agent.initialize, ({ params }) => {
      capabilities = params.clientCapabilities ?? {};
      return {
        protocolVersion: PROTOCOL_VERSION,
        agentInfo: { name: program.name, title: program.title, version: program.version },
        agentCapabilities: { loadSession: true, promptCapabilities: { embeddedContext: true } },
        authMethods: [],
      };
    })
    .onRequest(methods.agent.session.new, ({ params, client }) =>
      runGuarded(() => {
        program.check();
        checkFolder(params.cwd);
        const id = randomUUID();
        const history = History.create(program.sessions, id, { agent: program.name, cwd: params.cwd });
        return { sessionId: id, modes: getModeState(addSession(id, history, { cwd: params.cwd, context: client })) };
      }),
    )
    .onRequest(methods.agent.session.load, ({ params, client }) =>
      runGuarded(async () => {
        program.check();
        checkFolder(params.cwd);
        await sessions.get(params.sessionId)?.cancel();
        const history = History.load(program.sessions, params.sessionId);
        const session = addSession(params.sessionId, history, { cwd: params.cwd, context: client });
        await session.replay();
        return { modes: getModeState(session) };
      }),
    )
    .onRequest(methods.agent.session.prompt, ({ params }) =>
      runGuarded(() => {
        const session = getSession(params.sessionId);
        const prompt = formatPrompt(params.prompt);
        return session.runTurn(prompt, (signal) => program.turn(session, prompt, signal));
      }),
    )
    .onRequest(methods.agent.session.setMode, async ({ params }) => {
      const mode = PermissionMode.safeParse(params.modeId);
      if (!mode.success)
        throw RequestError.invalidParams({ modeId: params.modeId }, `there is no mode '${params.modeId}'`);
      const session = getSession(params.sessionId);
      session.permissions.mode = mode.data;
      await session.client.sendUpdate({ sessionUpdate: "current_mode_update", currentModeId: mode.data });
      return {};
    })
    .onNotification(methods.agent.session.cancel, async ({ params }) => {
      await sessions.get(params.sessionId)?.cancel();
    })
    .connect(ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));

  const closeConnection = (): void => connection.close();
  process.once("SIGTERM", closeConnection);
  process.once("SIGINT", closeConnection);
  await connection.closed;
  await Promise.all([...sessions.values()].map((session) => session.cancel()));
}
