/** A real sshd of the distribution on a loopback port, with a key of its own; it and its sessions end with `stop`. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

const PROGRAMS = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];

/** A port of this computer that is free just now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Sshd {
  readonly port: number;
  readonly user = userInfo().username;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(port: number, folder: string, child: ChildProcess) {
    this.port = port;
    this.#folder = folder;
    this.#child = child;
  }

  static async start(): Promise<Sshd> {
    const program = PROGRAMS.find((path) => existsSync(path));
    if (program === undefined) throw new Error("sshd is not on this machine; `cargo xtask test` installs it");
    // As root it wants this folder, which an init system makes elsewhere.
    if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
    const folder = mkdtempSync(join(tmpdir(), "casement-sshd-"));
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", join(folder, "host")]);
    const port = await freePort();
    writeFileSync(join(folder, "authorized_keys"), "");
    writeFileSync(
      join(folder, "conf"),
      [
        `Port ${port}`,
        "ListenAddress 127.0.0.1",
        `HostKey ${folder}/host`,
        "PidFile none",
        `AuthorizedKeysFile ${folder}/authorized_keys`,
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "",
      ].join("\n"),
    );
    const child = spawn(program, ["-D", "-f", join(folder, "conf"), "-E", join(folder, "log")], { stdio: "ignore" });
    const sshd = new Sshd(port, folder, child);
    await sshd.#answers();
    return sshd;
  }

  /** Resolves once it takes connections. */
  async #answers(): Promise<void> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const isThere = await new Promise<boolean>((resolve) => {
        const socket = connect(this.port, "127.0.0.1", () => resolve(true));
        socket.on("connect", () => socket.destroy()).on("error", () => resolve(false));
      });
      if (isThere) return;
      if (Date.now() > deadline) throw new Error("sshd takes no connections");
      // It tells nobody when it is ready.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Lets in whoever has this key, with its options in front. */
  allow(line: string): void {
    writeFileSync(join(this.#folder, "authorized_keys"), `${line}\n`);
  }

  /** What the server itself says of its key. */
  fingerprint(): string {
    const said = execFileSync("ssh-keygen", ["-lf", join(this.#folder, "host.pub")], { encoding: "utf8" });
    return said.split(" ")[1] ?? "";
  }

  stop(): void {
    // Sessions end when their client does, and every client is the tunnel's.
    this.#child.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
