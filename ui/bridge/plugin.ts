/**
 * Lets a browser show the real core: spawns `casementctl rpc` and carries its frames over HTTP.
 *
 * Development and tests only; nothing of it is in the built window. It answers on the loopback
 * address of the Vite server and refuses requests that another site's page could send.
 * Set CASEMENT_WORKSPACE to the workspace and CASEMENTCTL to the binary when the defaults do not fit.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import type { Connect, Plugin } from "vite";
import { RpcProcess } from "./rpc.ts";

/** As tauri.conf.json has it, so that what breaks under the window's policy breaks here first. */
const POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
  "font-src 'self' data:; connect-src 'self'; frame-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'";

const MAX_BODY_BYTES = 64 * 1024 * 1024;

export function bridge(): Plugin {
  let running: Bridge | undefined;
  const start = (): Bridge => (running ??= new Bridge());
  return {
    name: "casement-bridge",
    configureServer(server) {
      server.middlewares.use(handle(start));
      server.httpServer?.once("close", () => running?.stop());
    },
    configurePreviewServer(server) {
      server.middlewares.use((_request, response, next) => {
        response.setHeader("content-security-policy", POLICY);
        next();
      });
      server.middlewares.use(handle(start));
      server.httpServer.once("close", () => running?.stop());
    },
  };
}

class Bridge {
  readonly #folder = mkdtempSync(join(tmpdir(), "casement-bridge-"));
  readonly #watchers = new Set<ServerResponse>();
  readonly rpc: RpcProcess;

  constructor() {
    const workspace = resolve(process.env["CASEMENT_WORKSPACE"] ?? join(this.#folder, "workspace"));
    mkdirSync(workspace, { recursive: true });
    const binary = resolve(process.env["CASEMENTCTL"] ?? "../target/debug/casementctl");
    this.rpc = new RpcProcess(binary, ["rpc", "--workspace", workspace], (event) => this.#announce(event));
    process.once("exit", () => this.stop());
  }

  watch(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(": open\n\n");
    this.#watchers.add(response);
    response.on("close", () => this.#watchers.delete(response));
  }

  #announce(event: unknown): void {
    for (const watcher of this.#watchers) watcher.write(`data: ${JSON.stringify(event)}\n\n`);
  }

  /** Lays bytes under a plain file name in the bridge's own folder and returns the path. */
  lay(name: string, bytes: Buffer | undefined): string {
    const folder = mkdtempSync(join(this.#folder, "file-"));
    const path = join(folder, basename(name) || "file");
    if (bytes !== undefined) writeFileSync(path, bytes);
    return path;
  }

  stop(): void {
    this.rpc.stop();
  }
}

function handle(start: () => Bridge): Connect.NextHandleFunction {
  return (request, response, next) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (!url.pathname.startsWith("/__")) return next();
    const site = request.headers["sec-fetch-site"];
    if (site !== undefined && site !== "same-origin" && site !== "none") {
      response.writeHead(403).end("other sites may not use the bridge");
      return;
    }
    answer(start(), url, request, response).catch((thrown: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(thrown instanceof Error ? thrown.message : String(thrown));
    });
  };
}

async function answer(bridge: Bridge, url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
  switch (url.pathname) {
    case "/__events":
      bridge.watch(response);
      return;
    case "/__rpc": {
      const { command, request: body } = JSON.parse((await read(request)).toString("utf8")) as {
        command: string;
        request: unknown;
      };
      const result = await bridge.rpc.call(command, body);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
      return;
    }
    case "/__upload":
      response.end(bridge.lay(url.searchParams.get("name") ?? "file", await read(request)));
      return;
    case "/__save":
      response.end(bridge.lay(url.searchParams.get("name") ?? "file", undefined));
      return;
    default:
      response.writeHead(404).end();
  }
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error(`the body passes ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
